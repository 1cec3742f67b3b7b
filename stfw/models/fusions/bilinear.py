"""Feature-level fusion by a low-rank bilinear form (Kim et al. 2017)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from stfw.models.fusions.presence import presence


class Bilinear(nn.Module):
    """``prod_j tanh(U_j x_j)``, feature by feature over the streams that a video has.

    With the linear head behind it this is a bilinear form of rank ``hidden_size``: every product of
    two streams' features, without the matrix of all products (Lin et al. 2015).

    Args:
        in_features: stream name to its D.
        hidden_size: rank, and width of the result.
    """

    level = "feature"

    def __init__(self, in_features: dict[str, int], hidden_size: int = 512) -> None:
        super().__init__()
        self.project = nn.ModuleDict(
            {name: nn.Linear(width, hidden_size) for name, width in in_features.items()}
        )
        self.num_features = hidden_size

    def forward(self, by_stream: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        factors_BJD = torch.stack(
            [layer(by_stream[name]).tanh() for name, layer in self.project.items()], dim=1
        )
        missing_BJ1 = ~presence(list(self.project), by_stream, present).unsqueeze(2)
        return factors_BJD.masked_fill(missing_BJ1, 1.0).prod(dim=1)
