"""Weighted mean whose weights are learned: what a step shows decides how much it counts."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from stfw.models.aggregators.steps import weighted


class WeightedMean(nn.Module):
    """``sum_s w_s g_s x_s / sum_s w_s g_s`` with ``g_s = sigmoid(v . x_s + b)``.

    The sampler's weight w (for patches the Gaussian window) times one learned from the step alone:
    unlike attention, steps do not compete. ``v`` begins at 0, so learning starts from the mean.

    Args:
        in_features: D of the encoder.
    """

    def __init__(self, in_features: int) -> None:
        super().__init__()
        self.score = nn.Linear(in_features, 1)
        nn.init.zeros_(self.score.weight)
        nn.init.zeros_(self.score.bias)
        self.num_features = in_features

    def attention(self, tokens_BSD: Tensor, weights_BS: Tensor) -> Tensor:
        """How much each step counts: B S, of sum 1."""
        gates_BS = torch.sigmoid(self.score(tokens_BSD).squeeze(-1).float())
        joint_BS = torch.where(weights_BS > 0, weights_BS * gates_BS, 0.0)
        return joint_BS / joint_BS.sum(dim=1, keepdim=True).clamp_min(1e-12)

    def forward(self, tokens_BSD: Tensor, weights_BS: Tensor) -> Tensor:
        return weighted(tokens_BSD, self.attention(tokens_BSD, weights_BS))
