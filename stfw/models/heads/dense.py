"""The classifier at every step, and the mean of what it says there."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn


class Dense(nn.Module):
    """Dropout and one fully connected layer on every step; no aggregator stands before it.

    I3D averages logits over time; SlowFast and X3D average probabilities over the positions of a
    test crop that is larger than the training crop.

    Args:
        in_features: D of a step.
        num_classes: K; 0 gives the mean of the steps.
        dropout: probability of dropping a feature of a step in training.
        average: ``logits``; or ``probabilities``: in evaluation the result is the logarithm of
            their mean, so that softmax gives that back (it suits one label per video).
    """

    reads_steps = True

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        dropout: float = 0.0,
        average: Literal["logits", "probabilities"] = "logits",
    ) -> None:
        super().__init__()
        self.average = average if num_classes else "logits"
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(in_features, num_classes) if num_classes else nn.Identity()

    def forward(self, tokens_BSD: Tensor, weights_BS: Tensor) -> Tensor:
        logits_BSK = self.fc(self.dropout(tokens_BSD)).float()
        shares_BS1 = (weights_BS / weights_BS.sum(dim=1, keepdim=True)).unsqueeze(-1)
        if self.average == "probabilities" and not self.training:
            return torch.logsumexp(logits_BSK.log_softmax(dim=2) + shares_BS1.log(), dim=1)
        return (logits_BSK.masked_fill(shares_BS1 == 0, 0.0) * shares_BS1).sum(dim=1)
