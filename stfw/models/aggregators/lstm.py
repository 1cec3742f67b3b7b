"""LSTM over the steps: CNN + LSTM (Donahue et al. 2015, LRCN; Hochreiter & Schmidhuber 1997)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn


class Lstm(nn.Module):
    """Reads the steps in order of time and gives one feature.

    Steps of weight 0 are skipped wherever they stand: the others are moved together, so padding
    changes nothing.

    Args:
        in_features: D of the encoder.
        hidden_size: width of the state, per direction.
        num_layers: stacked layers.
        bidirectional: also read backwards; doubles ``num_features``.
        output: ``mean`` of the states over the steps (LRCN averages its predictions over time), or
            the ``last`` state (backwards: the state at the first step).
        dropout: between layers, where there are several.
    """

    def __init__(
        self,
        in_features: int,
        hidden_size: int = 256,
        num_layers: int = 1,
        bidirectional: bool = False,
        output: Literal["mean", "last"] = "mean",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.lstm = nn.LSTM(
            in_features,
            hidden_size,
            num_layers,
            batch_first=True,
            bidirectional=bidirectional,
            dropout=dropout if num_layers > 1 else 0.0,
        )
        self.hidden_size, self.output = hidden_size, output
        self.num_features = hidden_size * (2 if bidirectional else 1)

    def forward(self, tokens_BSD: Tensor, weights_BS: Tensor) -> Tensor:
        if tokens_BSD.is_meta:  # counting operations: every step is real
            return self.lstm(tokens_BSD)[0].mean(dim=1)
        present_BS = weights_BS > 0
        order_BS = torch.argsort(present_BS.int(), dim=1, descending=True, stable=True)
        tokens_BSD = tokens_BSD.gather(1, order_BS.unsqueeze(-1).expand_as(tokens_BSD))
        lengths_B = present_BS.sum(dim=1).clamp_min(1)
        packed = nn.utils.rnn.pack_padded_sequence(
            tokens_BSD, lengths_B.cpu(), batch_first=True, enforce_sorted=False
        )
        states_packed, (last_LBD, _) = self.lstm(packed)
        if self.output == "last":
            directions = 2 if self.lstm.bidirectional else 1
            return torch.cat(list(last_LBD[-directions:]), dim=-1)
        states_BSD, _ = nn.utils.rnn.pad_packed_sequence(states_packed, batch_first=True)
        return states_BSD.sum(dim=1) / lengths_B.unsqueeze(1).to(states_BSD.dtype)
