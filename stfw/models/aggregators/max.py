"""Largest value of each feature over all steps."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Max(nn.Module):
    """Maximum over the steps of positive weight; 0 where there is none.

    Args:
        in_features: D of the encoder.
    """

    def __init__(self, in_features: int) -> None:
        super().__init__()
        self.num_features = in_features

    def forward(self, tokens_BSD: Tensor, weights_BS: Tensor) -> Tensor:
        absent_BS1 = (weights_BS <= 0).unsqueeze(-1)
        feature_BD = tokens_BSD.masked_fill(absent_BS1, float("-inf")).amax(dim=1)
        return torch.where(feature_BD.isinf(), torch.zeros_like(feature_BD), feature_BD)
