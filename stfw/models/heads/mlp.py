"""A classifier with hidden layers."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn


class Mlp(nn.Module):
    """Hidden layers with ReLU, dropout before every linear layer.

    Args:
        in_features: D of the fused feature.
        num_classes: K; 0 gives the last hidden layer itself.
        hidden_sizes: width of each hidden layer.
        dropout: probability of dropping a feature in training.
    """

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        hidden_sizes: Sequence[int] = (512,),
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for width in hidden_sizes:
            layers += [nn.Dropout(dropout), nn.Linear(in_features, width), nn.ReLU(inplace=True)]
            in_features = width
        self.hidden = nn.Sequential(*layers)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(in_features, num_classes) if num_classes else nn.Identity()

    def forward(self, feature_BD: Tensor) -> Tensor:
        return self.fc(self.dropout(self.hidden(feature_BD)))
