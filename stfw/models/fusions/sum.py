"""Feature-level fusion by addition."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from stfw.models.fusions.presence import masked


class Sum(nn.Module):
    """``sum_j P_j x_j`` over the streams that a video has.

    Streams of one width are added as they are; others go through a linear layer each.

    Args:
        in_features: stream name to its D.
        hidden_size: width to which all streams are projected; None: the widest one's, and no
            projection where all are as wide.
    """

    level = "feature"

    def __init__(self, in_features: dict[str, int], hidden_size: int | None = None) -> None:
        super().__init__()
        self.num_features = hidden_size or max(in_features.values())
        plain = hidden_size is None and len(set(in_features.values())) == 1
        self.project = nn.ModuleDict(
            {
                name: nn.Identity() if plain else nn.Linear(width, self.num_features)
                for name, width in in_features.items()
            }
        )

    def forward(self, by_stream: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        projected = {name: layer(by_stream[name]) for name, layer in self.project.items()}
        features = [masked(name, projected, present) for name in projected]
        return features[0] if len(features) == 1 else torch.stack(features).sum(dim=0)
