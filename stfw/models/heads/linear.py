"""The usual classifier: dropout and one fully connected layer."""

from __future__ import annotations

from torch import Tensor, nn


class Linear(nn.Module):
    """``logits_BK = W dropout(feature_BD) + b``.

    Args:
        in_features: D of the fused feature.
        num_classes: K; 0 gives the feature itself.
        dropout: probability of dropping a feature in training.
    """

    def __init__(self, in_features: int, num_classes: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(in_features, num_classes) if num_classes else nn.Identity()

    def forward(self, feature_BD: Tensor) -> Tensor:
        return self.fc(self.dropout(feature_BD))
