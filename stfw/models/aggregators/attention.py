"""Attention over the steps: a learned question, answered by a weighted mean."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from stfw.models.aggregators.steps import shares, weighted


class Attention(nn.Module):
    """``sum_s a_s x_s`` with ``a = softmax(score + log w)``: weights w of the sampler count too.

    ``additive`` (Bahdanau et al. 2015): ``score_s = v . tanh(W x_s + b)``; the query is learned and
    its part of the comparison is ``b``. ``dot`` (Vaswani et al. 2017): ``score_s = q . (K x_s) /
    sqrt(hidden_size)`` with one learned query ``q``.

    Args:
        in_features: D of the encoder.
        mode: how steps are compared with the query.
        hidden_size: width in which they are compared.
    """

    def __init__(
        self,
        in_features: int,
        mode: Literal["additive", "dot"] = "additive",
        hidden_size: int = 128,
    ) -> None:
        super().__init__()
        self.mode = mode
        self.key = nn.Linear(in_features, hidden_size, bias=mode == "additive")
        self.query = nn.Parameter(torch.empty(hidden_size))
        nn.init.normal_(self.query, std=1.0 if mode == "dot" else hidden_size**-0.5)
        self.num_features = in_features

    def attention(self, tokens_BSD: Tensor, weights_BS: Tensor) -> Tensor:
        """How much each step counts: B S, of sum 1."""
        keys_BSD = self.key(tokens_BSD)
        if self.mode == "additive":
            scores_BS = torch.tanh(keys_BSD) @ self.query
        else:
            scores_BS = keys_BSD @ self.query / len(self.query) ** 0.5
        return shares(scores_BS, weights_BS)

    def forward(self, tokens_BSD: Tensor, weights_BS: Tensor) -> Tensor:
        return weighted(tokens_BSD, self.attention(tokens_BSD, weights_BS))
