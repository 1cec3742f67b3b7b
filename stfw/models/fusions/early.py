"""Early fusion: the streams' channels are one input of one encoder."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from stfw.models.fusions.presence import masked
from stfw.types import UserError


class Early(nn.Module):
    """Channels of all streams side by side, in the order of ``in_features``.

    A stream that a video lacks is 0, which after normalisation is a uniform grey or no motion.

    Args:
        in_features: stream name to its C.

    Raises:
        UserError: when called, streams of different sizes.
    """

    level = "input"

    def __init__(self, in_features: dict[str, int]) -> None:
        super().__init__()
        self.streams = list(in_features)
        self.num_features = sum(in_features.values())

    def forward(self, by_stream: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        if len(self.streams) == 1:
            return masked(self.streams[0], by_stream, present)
        sizes = {name: "x".join(map(str, by_stream[name].shape[2:])) for name in self.streams}
        if len({(len(by_stream[name]), sizes[name]) for name in self.streams}) > 1:
            told = ", ".join(f"{name} {size}" for name, size in sizes.items())
            raise UserError(
                f"fusion=early needs streams of one size T x H x W, and they are: {told}; set "
                "streams.<name>.num_frames or stack so that they agree"
            )
        return torch.cat([masked(name, by_stream, present) for name in self.streams], dim=1)
