"""Feature-level fusion by concatenation; with one stream it hands the feature on."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from stfw.models.fusions.presence import masked


class Concat(nn.Module):
    """Features of all streams side by side, in the order of ``in_features``.

    A stream that a video lacks is zero, and says nothing.

    Args:
        in_features: stream name to its D.
    """

    level = "feature"

    def __init__(self, in_features: dict[str, int]) -> None:
        super().__init__()
        self.streams = list(in_features)
        self.num_features = sum(in_features.values())

    def forward(self, by_stream: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        features = [masked(name, by_stream, present) for name in self.streams]
        return features[0] if len(features) == 1 else torch.cat(features, dim=1)
