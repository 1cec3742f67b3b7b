"""Which videos make which batch: pure arithmetic on (seed, epoch), the same for any worker count.

Persistent workers see no ``set_epoch``, so every item carries its epoch: (epoch, index, repeat).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

Item = tuple[int, int, int]


class TrainBatches:
    """Shuffled batches; every rank gets the same number of batches and of videos.

    One global batch is ``batch_size * world_size`` consecutive videos of the epoch's permutation,
    dealt out in turn, so that 2 ranks with batch 4 see what 1 rank sees with batch 8. The last
    global batch may be smaller; it is filled up to a multiple of ``world_size`` with the epoch's
    first videos, because an uneven rank would hang the others.

    Args:
        num_videos: videos in the split.
        batch_size: videos per rank and step.
        seed: of the permutation.
        rank: this process.
        world_size: all processes.
    """

    def __init__(
        self, num_videos: int, batch_size: int, seed: int, rank: int = 0, world_size: int = 1
    ) -> None:
        self.num_videos, self.batch_size, self.seed = num_videos, batch_size, seed
        self.rank, self.world_size, self.epoch = rank, world_size, 0

    @property
    def sampler(self) -> TrainBatches:
        """Itself: Lightning calls ``batch_sampler.sampler.set_epoch`` as each epoch begins."""
        return self

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-self.num_videos // (self.batch_size * self.world_size))

    def __iter__(self) -> Iterator[list[Item]]:
        generator = np.random.default_rng(np.random.SeedSequence([self.seed, self.epoch]))
        order = generator.permutation(self.num_videos)
        missing = -len(order) % self.world_size
        order = np.concatenate([order, np.resize(order, missing)])
        step = self.batch_size * self.world_size
        for begin in range(0, len(order), step):
            mine = order[begin : begin + step][self.rank :: self.world_size]
            yield [(self.epoch, int(index), 0) for index in mine]


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
