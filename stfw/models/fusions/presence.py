"""What fusions share: which streams a video has, and sharing out among those.

J stands for the streams of a fusion, in their order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor

Average = Literal["logits", "probabilities"]


def masked(name: str, by_stream: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
    """A stream's values, 0 for the videos that lack it."""
    x = by_stream[name]
    if name not in present:
        return x
    present_B = present[name].view(-1, *[1] * (x.ndim - 1))
    return torch.where(present_B, x, torch.zeros_like(x))


def presence(
    streams: Sequence[str], by_stream: Mapping[str, Tensor], present: Mapping[str, Tensor]
) -> Tensor:
    """Which streams count: bool B J. Of a video that has none, all do."""
    x = by_stream[streams[0]]
    all_B = torch.ones(len(x), dtype=torch.bool, device=x.device)
    present_BJ = torch.stack([present.get(name, all_B) for name in streams], dim=1)
    return present_BJ | ~present_BJ.any(dim=1, keepdim=True)


def any_present(
    names: Iterable[str], present: Mapping[str, Tensor], joined: str = "joined"
) -> dict[str, Tensor]:
    """Whether a video has any of some streams, as ``{joined: bool B}``; {} where all have."""
    flags = [present.get(name) for name in names]
    known = [flag_B for flag_B in flags if flag_B is not None]
    if len(known) < len(flags):
        return {}
    return {joined: torch.stack(known).any(dim=0)}


def mixed(
    streams: Sequence[str],
    by_stream: Mapping[str, Tensor],
    log_shares_BJK: Tensor,
    average: Average,
) -> Tensor:
    """The streams' predictions averaged: B K.

    Args:
        streams: their order.
        by_stream: stream to logits_BK.
        log_shares_BJK: logarithms of the streams' shares, whose sum over J is 1; its K may be 1.
        average: ``logits``; or ``probabilities``: the result is the logarithm of their mean, so
            that softmax gives that back.
    """
    logits_BJK = torch.stack([by_stream[name].float() for name in streams], dim=1)
    if average == "probabilities":
        return (logits_BJK.log_softmax(dim=2) + log_shares_BJK).logsumexp(dim=1)
    shares_BJK = log_shares_BJK.exp()
    return (logits_BJK.masked_fill(shares_BJK == 0, 0.0) * shares_BJK).sum(dim=1)


def drop_streams(
    streams: Sequence[str], present: Mapping[str, Tensor], prob: float, example: Tensor
) -> dict[str, Tensor]:
    """Which streams a video keeps when each is dropped with a probability; never none of them.

    Args:
        streams: all names.
        present: stream -> bool B; streams not named are there.
        prob: of dropping.
        example: any tensor of B videos, on the device of the flags.
    """
    all_B = torch.ones(len(example), dtype=torch.bool, device=example.device)
    there_BJ = torch.stack([present.get(name, all_B) for name in streams], dim=1)
    # drawn on the CPU, so that a seed means the same on every device
    draws_BJ = torch.rand(there_BJ.shape).to(example.device)
    best_B1 = draws_BJ.masked_fill(~there_BJ, -1.0).argmax(dim=1, keepdim=True)
    kept_BJ = there_BJ & (draws_BJ >= prob).scatter(1, best_B1, True)
    return {name: kept_BJ[:, j] for j, name in enumerate(streams)}
