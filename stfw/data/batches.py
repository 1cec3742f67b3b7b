"""Which videos make which batch: pure arithmetic on (seed, epoch), the same for any worker count.

Persistent workers see no ``set_epoch``, so every item carries its epoch: (epoch, index, repeat);
and where clips change their shape, the number of it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np

Item = tuple[int, ...]
Balance = Literal["none", "sqrt", "class"]
Sizes = Callable[[int], Sequence[tuple[int, int]]]


class Draws(NamedTuple):
    """How often an epoch draws each video.

    Attributes:
        share_N: float64, in parts of the whole.
        class_N: what is drawn evenly: the class, of several the rarest.
    """

    share_N: np.ndarray
    class_N: np.ndarray


class TrainBatches:
    """Shuffled batches; every rank gets the same number of batches and of videos.

    One global batch is ``batch_size * world_size`` consecutive videos of the epoch's order, dealt
    out in turn, so that 2 ranks with batch 4 see what 1 rank sees with batch 8. The last global
    batch may be smaller; it is filled up to a multiple of ``world_size`` with the epoch's first
    videos, because an uneven rank would hang the others.

    Args:
        num_videos: videos in the split.
        batch_size: videos per rank and step.
        seed: of the order.
        rank: this process.
        world_size: all processes.
        draws: how often an epoch draws each video; None: once.
        sizes: epoch to what its steps go around in: (number of the shape, factor of the batch).
    """

    def __init__(
        self,
        num_videos: int,
        batch_size: int,
        seed: int,
        rank: int = 0,
        world_size: int = 1,
        draws: Draws | None = None,
        sizes: Sizes | None = None,
    ) -> None:
        self.num_videos, self.batch_size, self.seed = num_videos, batch_size, seed
        self.rank, self.world_size, self.epoch = rank, world_size, 0
        self.draws, self.sizes = draws, sizes

    @property
    def sampler(self) -> TrainBatches:
        """Itself: Lightning calls ``batch_sampler.sampler.set_epoch`` as each epoch begins."""
        return self

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return sum(1 for _ in self._cuts(self.num_videos))

    def __iter__(self) -> Iterator[list[Item]]:
        generator = np.random.default_rng(np.random.SeedSequence([self.seed, self.epoch]))
        order = self._order(generator)
        missing = -len(order) % self.world_size
        order = np.concatenate([order, np.resize(order, missing)])
        for begin, end, shape in self._cuts(len(order)):
            mine = order[begin:end][self.rank :: self.world_size]
            yield [(self.epoch, int(index), 0, *shape) for index in mine]

    def _order(self, generator: np.random.Generator) -> np.ndarray:
        order = generator.permutation(self.num_videos)
        if self.draws is None:
            return order
        # systematic sampling, classes behind each other: every video, and every class, comes as
        # often as its share says, rounded down or up
        order = order[np.argsort(self.draws.class_N[order], kind="stable")]
        ends = np.cumsum(self.draws.share_N[order])
        places = (np.arange(self.num_videos) + generator.random()) / self.num_videos
        drawn = order[np.searchsorted(ends / ends[-1], places, side="right")]
        return generator.permutation(drawn)

    def _cuts(self, num_videos: int) -> Iterator[tuple[int, int, tuple[int, ...]]]:
        """Begin and end of each global batch, and its shape where there are several."""
        cycle = self.sizes(self.epoch) if self.sizes is not None else None
        begin = 0
        for number in itertools.count():
            if begin >= num_videos:
                return
            shape, factor = cycle[number % len(cycle)] if cycle else (0, 1)
            end = begin + self.batch_size * factor * self.world_size
            yield begin, end, (shape,) if cycle else ()
            begin = end


class EvalBatches:
    """Every video exactly once over all ranks, never padded, in order."""

    def __init__(
        self, num_videos: int, batch_size: int, rank: int = 0, world_size: int = 1
    ) -> None:
        self.indices = range(rank, num_videos, world_size)
        self.batch_size = batch_size

    def __len__(self) -> int:
        return -(-len(self.indices) // self.batch_size)

    def __iter__(self) -> Iterator[list[Item]]:
        for begin in range(0, len(self.indices), self.batch_size):
            yield [(0, index, 0) for index in self.indices[begin : begin + self.batch_size]]


def balanced(labels: Sequence[tuple[int, ...]], balance: Balance) -> Draws | None:
    """How often an epoch draws each video; None: once.

    A class of n videos is drawn in proportion to n^q (Kang et al. 2020), its videos alike.

    Args:
        labels: each video's classes; one of several counts for its rarest.
        balance: ``none``: q = 1; ``sqrt``: q = 1/2; ``class``: q = 0, every class as often.
    """
    if balance == "none":
        return None
    counts = np.bincount([label for classes in labels for label in classes])
    class_N = np.array([min(classes, key=counts.__getitem__) for classes in labels])
    share_N = counts[class_N] ** (-0.5 if balance == "sqrt" else -1.0)
    return Draws(share_N / share_N.sum(), class_N)
