"""What fits between a network and somebody's tensors, key by key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

MOST_NAMES = 10  # of a kind, in a message
COUNTER = ".num_batches_tracked"  # of batch norm; means nothing to a network that has momentum


@dataclass(frozen=True)
class Differences:
    """Keys that do not fit.

    Attributes:
        missing: the network has them, the tensors do not.
        unexpected: the other way round.
        shapes: both have them, in other shapes; ``name (theirs) for (ours)``.
    """

    missing: list[str]
    unexpected: list[str]
    shapes: list[str]

    def __len__(self) -> int:
        return len(self.missing) + len(self.unexpected) + len(self.shapes)

    def __str__(self) -> str:
        kinds = (
            ("missing", self.missing),
            ("unexpected", self.unexpected),
            ("of another shape", self.shapes),
        )
        return "; ".join(f"{len(names)} {kind}: {few(names)}" for kind, names in kinds if names)


def differences(own: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> Differences:
    """Compares keys and shapes; counters of batch norm may be missing."""
    return Differences(
        missing=[n for n in own if n not in given and not n.endswith(COUNTER)],
        unexpected=[name for name in given if name not in own],
        shapes=[
            f"{name} {tuple(given[name].shape)} for {tuple(own[name].shape)}"
            for name in own
            if name in given and given[name].shape != own[name].shape
        ],
    )


def few(names: Sequence[str], most: int = MOST_NAMES) -> str:
    """The first names, and that there are more."""
    return ", ".join(names[:most]) + (" ..." if len(names) > most else "")


def adapt_channels(weight: Tensor, shape: Sequence[int]) -> Tensor | None:
    """A first convolution for another number of input channels, or None where it is no such case.

    Every channel gets the mean over the old ones (cross-modality, Wang et al. 2016, TSN).
    """
    if weight.ndim < 4 or len(shape) != weight.ndim or weight.shape[1] == shape[1]:
        return None
    if weight.shape[0] != shape[0] or weight.shape[2:] != torch.Size(shape[2:]):
        return None
    return weight.mean(dim=1, keepdim=True).expand(*shape).clone()
