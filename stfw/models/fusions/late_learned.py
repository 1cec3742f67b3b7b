"""Late fusion with learned weights."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from stfw.models.fusions.presence import Average, mixed, presence


class LateLearned(nn.Module):
    """A weighted mean prediction whose weights are a softmax over the streams that a video has.

    They begin equal.

    Args:
        in_features: stream name to K.
        per_class: weights of its own for every class; else one for each stream.
        average: what is averaged: ``logits``, or ``probabilities``, which suits one label per
            video.
    """

    level = "logits"

    def __init__(
        self, in_features: dict[str, int], per_class: bool = False, average: Average = "logits"
    ) -> None:
        super().__init__()
        self.streams, self.average = list(in_features), average
        self.num_features = next(iter(in_features.values()))
        self.scores_JK = nn.Parameter(
            torch.zeros(len(in_features), self.num_features if per_class else 1)
        )

    def forward(self, by_stream: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        missing_BJ1 = ~presence(self.streams, by_stream, present).unsqueeze(2)
        scores_BJK = self.scores_JK.float().masked_fill(missing_BJ1, float("-inf"))
        return mixed(self.streams, by_stream, scores_BJK.log_softmax(dim=1), self.average)
