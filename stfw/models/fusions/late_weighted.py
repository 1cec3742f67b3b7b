"""Late fusion with given weights, as two-stream networks are tested (1 : 1.5 and the like)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from stfw.models.fusions.presence import Average, mixed, presence
from stfw.types import UserError, nearest


class LateWeighted(nn.Module):
    """The weighted mean prediction of the streams that a video has; weights need no sum of 1.

    Args:
        in_features: stream name to K.
        weights: stream name to its weight, above 0; streams not named, and None: 1.
        average: what is averaged: ``logits``, or ``probabilities``, which suits one label per
            video.

    Raises:
        UserError: a weight of no stream, or not above 0.
    """

    level = "logits"
    weights_J: Tensor

    def __init__(
        self,
        in_features: dict[str, int],
        weights: dict[str, float] | None = None,
        average: Average = "logits",
    ) -> None:
        super().__init__()
        weights = weights or {}
        for name, weight in weights.items():
            if name not in in_features:
                raise UserError(
                    f"fusion.weights.{name}: the run has no such stream"
                    f"{nearest(name, in_features)} (there are: {', '.join(in_features)})"
                )
            if weight <= 0:
                raise UserError(
                    f"fusion.weights.{name}={weight} must be above 0; leave the stream out instead"
                )
        self.streams, self.average = list(in_features), average
        given = torch.tensor([float(weights.get(name, 1.0)) for name in in_features])
        self.register_buffer("weights_J", given, persistent=False)  # the config holds them
        self.num_features = next(iter(in_features.values()))

    def forward(self, by_stream: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        counting_BJ = presence(self.streams, by_stream, present) * self.weights_J
        shares_BJ = counting_BJ / counting_BJ.sum(dim=1, keepdim=True)
        return mixed(self.streams, by_stream, shares_BJ.log().unsqueeze(2), self.average)
