"""Weighted mean over all steps: TSN's consensus, and the default for networks that pool."""

from __future__ import annotations

from torch import Tensor, nn


class Mean(nn.Module):
    """``sum_s w_s x_s / sum_s w_s``; a step of weight 0 is not there.

    Args:
        in_features: D of the encoder.
    """

    def __init__(self, in_features: int) -> None:
        super().__init__()
        self.num_features = in_features

    def forward(self, tokens_BSD: Tensor, weights_BS: Tensor) -> Tensor:
        weights_BS1 = weights_BS.unsqueeze(-1).to(tokens_BSD.dtype)
        total_B1 = weights_BS1.sum(dim=1).clamp_min(1e-12)
        return (tokens_BSD * weights_BS1).sum(dim=1) / total_B1
