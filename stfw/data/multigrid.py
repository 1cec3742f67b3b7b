"""Multigrid training: many small clips first, few large ones last (Wu et al. 2020).

A batch of ``B`` clips of ``T x S x S`` pixels costs about what one of ``8 B`` clips of ``T/4 x
S/sqrt(2) x S/sqrt(2)`` does. The **long cycle** goes through four such shapes, from small to
large, before every drop of the learning rate, and ends with the largest; the learning rate grows
with the batch. The **short cycle** changes the side from step to step, S/2, S/sqrt(2), S, and
leaves the rate alone.
"""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from stfw.types import UserError

HALF_AREA = math.sqrt(0.5)
# (frames are divided by, side is multiplied by): the default shapes of the paper
LONG_CYCLE = ((4, HALF_AREA), (2, HALF_AREA), (2, 1.0), (1, 1.0))
SHORT_CYCLE = (0.5, HALF_AREA)


@dataclass(frozen=True)
class Shape:
    """A shape of training clips, by what it is to the full one.

    Attributes:
        divisor: the full number of frames is divided by it; the frames lie as much further apart,
            so that a clip spans the same seconds.
        side: factor of height and width.
    """

    divisor: int
    side: float

    @property
    def num_videos(self) -> int:
        """Factor of the batch that keeps batch x frames x pixels about as it is."""
        return round(self.divisor / self.side**2)


class Multigrid:
    """Which shapes each epoch goes through.

    The long cycle takes as many steps at each of its shapes, as the paper does: the shares of
    epochs are as their batches. Behind the last milestone comes the full shape alone, for as many
    steps of the whole as that part of the run has epochs.

    Args:
        num_frames: T of the full shape.
        num_epochs: of the run.
        long_cycle: whether the shape changes from epoch to epoch.
        short_cycle: whether the side changes from step to step.
        milestones: shares of the run at which a long cycle ends; best those of the learning rate.

    Raises:
        UserError: nothing would change, frames that do not divide by 4, milestones out of order.
    """

    def __init__(
        self,
        num_frames: int,
        num_epochs: int,
        long_cycle: bool = True,
        short_cycle: bool = True,
        milestones: Sequence[float] = (0.5, 0.75),
    ) -> None:
        if not (long_cycle or short_cycle):
            raise UserError("multigrid: switch on long_cycle or short_cycle; multigrid=null is off")
        if long_cycle and num_frames % 4:
            raise UserError(
                f"multigrid: the long cycle takes a quarter of clip.num_frames={num_frames}; give "
                "a multiple of 4, or multigrid=short"
            )
        ends = [0.0, *milestones, 1.0]
        if long_cycle and (not milestones or ends != sorted(set(ends))):
            raise UserError(f"multigrid.milestones={list(milestones)} must rise between 0 and 1")
        bases = [Shape(*shape) for shape in (LONG_CYCLE if long_cycle else LONG_CYCLE[-1:])]
        cycles = [_cycle(base, short_cycle) for base in bases]
        self.shapes = list(dict.fromkeys(shape for cycle in cycles for shape in cycle))
        parts = _parts(cycles, ends) if long_cycle else [(0, 1.0)]
        self._epochs = [cycles[number] for number in _by_epoch(parts, num_epochs)]

    def cycle(self, epoch: int) -> tuple[Shape, ...]:
        """The shapes that an epoch's steps go around in; the last is the long cycle's own."""
        return self._epochs[min(epoch, len(self._epochs) - 1)]

    def lr_factor(self, epoch: int) -> float:
        """Of the learning rate: as the batch of the long cycle (Goyal et al. 2017)."""
        return float(self.cycle(epoch)[-1].num_videos)


def _cycle(base: Shape, short: bool) -> tuple[Shape, ...]:
    sides = SHORT_CYCLE if short else ()
    return (*(Shape(base.divisor, side) for side in sides), base)


def _parts(cycles: Sequence[Sequence[Shape]], ends: Sequence[float]) -> list[tuple[int, float]]:
    """(number of the cycle, share of the epochs), one after the other."""
    batch = [sum(shape.num_videos for shape in cycle) / len(cycle) for cycle in cycles]
    parts = []
    for begin, end in itertools.pairwise(ends[:-1]):
        parts += [(n, (end - begin) * size / sum(batch)) for n, size in enumerate(batch)]
    parts.append((len(cycles) - 1, (1 - ends[-2]) * batch[-1] * len(batch) / sum(batch)))
    total = sum(share for _, share in parts)
    return [(number, share / total) for number, share in parts]


def _by_epoch(parts: Sequence[tuple[int, float]], num_epochs: int) -> list[int]:
    """The cycle in which each epoch's middle lies; the last epoch has the full shape."""
    ends = list(itertools.accumulate(share for _, share in parts))
    middles = [(epoch + 0.5) / num_epochs for epoch in range(num_epochs - 1)]
    return [parts[bisect.bisect(ends, middle)][0] for middle in middles] + [parts[-1][0]]
