"""Late fusion: each stream has a head of its own, and their predictions are averaged."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from stfw.models.fusions.presence import Average, mixed, presence


class LateMean(nn.Module):
    """The mean prediction of the streams that a video has.

    Args:
        in_features: stream name to K.
        average: what is averaged: ``logits``, or ``probabilities`` (Simonyan and Zisserman 2014),
            which suits one label per video.
    """

    level = "logits"

    def __init__(self, in_features: dict[str, int], average: Average = "logits") -> None:
        super().__init__()
        self.streams, self.average = list(in_features), average
        self.num_features = next(iter(in_features.values()))

    def forward(self, by_stream: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        present_BJ = presence(self.streams, by_stream, present).float()
        shares_BJ = present_BJ / present_BJ.sum(dim=1, keepdim=True)
        return mixed(self.streams, by_stream, shares_BJ.log().unsqueeze(2), self.average)
