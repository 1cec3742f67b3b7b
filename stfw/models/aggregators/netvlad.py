"""NetVLAD (Arandjelovic et al. 2016): what steps lack to the nearest of some learned centres."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class NetVlad(nn.Module):
    """``V_k = sum_s w_s a_k(x_s) (x_s - c_k)``, normalised per centre and as a whole.

    ``a(x) = softmax(W x + b)`` assigns a step softly to the centres. As published, W and b begin as
    ``2 alpha c_k`` and ``-alpha |c_k|^2`` and are learned apart from the centres; steps are
    normalised to length 1 first.

    Args:
        in_features: D of the encoder.
        num_clusters: centres; ``num_features`` is ``num_clusters * in_features``.
        alpha: how hard steps are assigned at first.
        hidden_size: width to which the result is projected; None: as it is.
    """

    def __init__(
        self,
        in_features: int,
        num_clusters: int = 16,
        alpha: float = 10.0,
        hidden_size: int | None = None,
    ) -> None:
        super().__init__()
        centres_KD = functional.normalize(torch.randn(num_clusters, in_features), dim=1)
        self.centres_KD = nn.Parameter(centres_KD)
        self.assign = nn.Linear(in_features, num_clusters)
        with torch.no_grad():
            self.assign.weight.copy_(2 * alpha * centres_KD)
            self.assign.bias.copy_(-alpha * centres_KD.square().sum(dim=1))
        self.num_features = num_clusters * in_features
        self.project: nn.Module = nn.Identity()
        if hidden_size is not None:
            self.project = nn.Linear(self.num_features, hidden_size)
            self.num_features = hidden_size

    def forward(self, tokens_BSD: Tensor, weights_BS: Tensor) -> Tensor:
        weights_BS1 = weights_BS.clamp_min(0).unsqueeze(-1)
        tokens_BSD = functional.normalize(
            tokens_BSD.masked_fill(weights_BS1 == 0, 0.0).float(), dim=2
        )
        shares_BSK = self.assign(tokens_BSD).float().softmax(dim=2) * weights_BS1
        near_BKD = shares_BSK.transpose(1, 2) @ tokens_BSD
        vlad_BKD = near_BKD - shares_BSK.sum(dim=1).unsqueeze(-1) * self.centres_KD
        vlad_BKD = functional.normalize(vlad_BKD, dim=2)
        return self.project(functional.normalize(vlad_BKD.flatten(1), dim=1))
