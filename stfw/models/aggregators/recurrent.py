"""Reading the steps with one of torch's recurrent networks."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from stfw.models.aggregators.steps import together, weighted

Output = Literal["mean", "last"]


def read_steps(
    network: nn.LSTM | nn.GRU, tokens_BSD: Tensor, weights_BS: Tensor, output: Output
) -> Tensor:
    """One feature per video, B D.

    Steps of weight 0 are skipped wherever they stand: the others are moved together, so padding
    changes nothing.

    Args:
        network: with ``batch_first``.
        tokens_BSD: features of the steps.
        weights_BS: of the steps.
        output: ``mean`` of the states, or the ``last`` one (backwards: that at the first step).
    """
    if tokens_BSD.is_meta:  # counting operations: every step is real
        return network(tokens_BSD)[0].mean(dim=1)
    tokens_BSD, weights_BS = together(tokens_BSD, weights_BS)
    lengths_B = (weights_BS > 0).sum(dim=1).clamp_min(1)
    # states add up over the steps: full precision; not every CPU has this in bfloat16 either
    with torch.autocast(tokens_BSD.device.type, enabled=False):
        packed = nn.utils.rnn.pack_padded_sequence(
            tokens_BSD.to(next(network.parameters()).dtype),
            lengths_B.cpu(),
            batch_first=True,
            enforce_sorted=False,
        )
        states_packed, last = network(packed)
    if output == "last":
        last_LBD = last[0] if isinstance(last, tuple) else last
        return torch.cat(list(last_LBD[-2 if network.bidirectional else -1 :]), dim=-1)
    states_BSD, _ = nn.utils.rnn.pad_packed_sequence(states_packed, batch_first=True)
    return states_BSD.sum(dim=1) / lengths_B.unsqueeze(1).to(states_BSD.dtype)


def beside_mean(state_BD: Tensor, tokens_BSD: Tensor, weights_BS: Tensor) -> Tensor:
    """The state, then the weighted mean of the steps that were read: B D."""
    shares_BS = weights_BS / weights_BS.sum(dim=1, keepdim=True).clamp_min(1e-12)
    return torch.cat([state_BD, weighted(tokens_BSD, shares_BS).to(state_BD.dtype)], dim=1)
