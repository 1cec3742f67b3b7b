"""From a reader to loaders: the one place that knows ranks, workers and batch sizes."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import pytorch_lightning as pl
import torch

from stfw.data.bad_samples import BadSamples
from stfw.data.batches import Balance, EvalBatches, TrainBatches, balanced
from stfw.data.dataset import OnError, VideoDataset
from stfw.data.footage import Decode
from stfw.data.loader import Guarded, VideoLoader, collate_or_error
from stfw.data.multigrid import Multigrid
from stfw.data.sample import Limits, Loading
from stfw.data.streams.stream import Stream
from stfw.transforms.pipeline import ClipPipeline
from stfw.types import Batch, Reader, Record, Sampler, Split, UserError

SPLITS: tuple[Split, ...] = ("train", "val", "test")


@dataclass(frozen=True)
class Loader:
    """How samples are loaded; the keys stand beside the reader's own under ``data``.

    Attributes:
        batch_size: videos per device and training step.
        eval_batch_size: videos per device and evaluation step; few, since views multiply them.
        num_workers: loading processes per device; None: with a GPU one per core, without one half
            of the cores, at most 8.
        start_method: how workers start: ``fork``, ``spawn`` or ``forkserver``; None is Python's.
        prefetch_factor: batches that each worker keeps ready.
        timeout_sec: a worker that gives nothing for so long is an error; 0 waits for ever.
        repeats: random views of a video per training sample, from one pass of decoding (repeated
            augmentation, Hoffer et al. 2020); they multiply the batch.
        balance: how often an epoch draws a training video: ``none``: once; ``class``: so that all
            classes come as often; ``sqrt``: half way, by the roots of their sizes.
        on_error: ``raise`` stops at an unreadable video; ``skip`` goes on without it, writes it
            into ``bad_samples.jsonl``, and in training puts another in its place.
        max_bad_fraction: of a split's videos that may be skipped.
        max_pixels: height x width beyond which a video counts as unreadable; None: no limit.
        max_frames: in the same way.
        max_bytes: in the same way, of the file.
    """

    batch_size: int = 8
    eval_batch_size: int = 8
    num_workers: int | None = None
    start_method: Literal["fork", "spawn", "forkserver"] | None = None
    prefetch_factor: int = 2
    timeout_sec: int = 300
    repeats: int = 1
    balance: Balance = "none"
    on_error: OnError = "raise"
    max_bad_fraction: float = 0.05
    max_pixels: int | None = None
    max_frames: int | None = None
    max_bytes: int | None = None

    def __post_init__(self) -> None:
        for name in ("batch_size", "eval_batch_size", "prefetch_factor", "repeats"):
            if getattr(self, name) < 1:
                raise UserError(f"data.{name}={getattr(self, name)} is below 1")
        if not 0 <= self.max_bad_fraction <= 1:
            raise UserError(
                f"data.max_bad_fraction={self.max_bad_fraction} is no part of 1; give 0 to 1"
            )
        if self.num_workers is not None and self.num_workers < 0:
            raise UserError(f"data.num_workers={self.num_workers} is below 0")


class VideoDataModule(pl.LightningDataModule):
    """Loaders of a data set's splits.

    Args:
        reader: the data set.
        loader: batch sizes and workers.
        sampler: for training (called with a generator) and evaluation (without).
        streams: name to stream.
        transform: of training clips.
        decode: the decoder.
        short_side: frames are resized to it while they are decoded.
        seed: of shuffling and augmentation.
        grid: shapes that training goes through; None: one shape.
        shapes: sampler and training transform of each of the grid's shapes.
    """

    def __init__(
        self,
        reader: Reader,
        loader: Loader,
        sampler: Sampler,
        streams: Mapping[str, Stream],
        transform: ClipPipeline,
        decode: Decode,
        short_side: int | None,
        seed: int = 0,
        grid: Multigrid | None = None,
        shapes: Sequence[tuple[Sampler, ClipPipeline]] = (),
    ) -> None:
        super().__init__()
        self.grid, self.shapes = grid, list(shapes)
        self.reader, self.loader, self.sampler, self.transform = reader, loader, sampler, transform
        self.streams, self.decode = streams, decode
        self.short_side, self.seed = short_side, seed
        self.bad_samples = BadSamples(loader.max_bad_fraction)

    @cached_property
    def splits(self) -> dict[Split, list[Record]]:
        """All records, read once."""
        return {split: self.reader.records(split) for split in SPLITS}

    @property
    def num_workers(self) -> int:
        """Loading processes of this process's loader."""
        if self.loader.num_workers is not None:
            return self.loader.num_workers
        return default_num_workers()

    def dataset(self, split: Split, shape: int | None = None) -> VideoDataset:
        """The videos of a split; for training, with a grid, in one of its shapes."""
        loader = self.loader
        sampler, transform = (self.sampler, self.transform) if shape is None else self.shapes[shape]
        loading = Loading(
            sampler,
            self.streams,
            transform if split == "train" else None,
            self.decode,
            self.short_side,
            Limits(loader.max_pixels, loader.max_frames, loader.max_bytes),
            loader.repeats,
            len(self.reader.classes),
        )
        return VideoDataset(self.splits[split], loading, self.seed, loader.on_error)

    def example(self) -> Batch:
        """The first training sample, as the loader gives it."""
        return self.dataset("train")[0]

    def train_dataloader(self) -> VideoLoader:
        batches = self.train_batches(*self._place())
        if self.trainer is not None:
            batches.set_epoch(self.trainer.current_epoch)  # with a grid it decides the length
        return self._load(self.dataset("train"), "train", batches)

    def train_batches(self, rank: int = 0, world_size: int = 1) -> TrainBatches:
        """Which videos make which training batch."""
        records, loader, grid = self.splits["train"], self.loader, self.grid

        def sizes(epoch: int) -> list[tuple[int, int]]:
            assert grid is not None
            return [(grid.shapes.index(s), s.num_videos) for s in grid.cycle(epoch)]

        return TrainBatches(
            len(records),
            loader.batch_size,
            self.seed,
            rank,
            world_size,
            balanced([record.labels for record in records], loader.balance),
            sizes if grid is not None else None,
        )

    def val_dataloader(self) -> VideoLoader:
        return self._evaluate("val")

    def test_dataloader(self) -> VideoLoader:
        return self._evaluate("test")

    def _evaluate(self, split: Split) -> VideoLoader:
        dataset, (rank, world_size) = self.dataset(split), self._place()
        return self._load(
            dataset,
            split,
            EvalBatches(len(dataset), self.loader.eval_batch_size, rank, world_size),
        )

    def _place(self) -> tuple[int, int]:
        """(rank, world size); one process where no trainer is attached."""
        if self.trainer is None:
            return 0, 1
        return self.trainer.global_rank, self.trainer.world_size

    def _load(
        self, dataset: VideoDataset, split: Split, batches: TrainBatches | EvalBatches
    ) -> VideoLoader:
        num_workers = self.num_workers
        parallel = num_workers > 0
        numbers = range(len(self.shapes) if split == "train" else 0)
        shapes = [self.dataset(split, number) for number in numbers]
        loader = VideoLoader(
            Guarded(dataset, num_workers, shapes),
            batch_sampler=batches,
            collate_fn=collate_or_error,
            num_workers=num_workers,
            persistent_workers=parallel,
            prefetch_factor=self.loader.prefetch_factor if parallel else None,
            multiprocessing_context=self.loader.start_method if parallel else None,
            timeout=self.loader.timeout_sec if parallel else 0,
            pin_memory=torch.cuda.is_available(),
            worker_init_fn=_one_thread,
        )
        loader.on_skipped = lambda errors: self.bad_samples.add(errors, split, len(dataset))
        return loader


def num_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def default_num_workers() -> int:
    """With a GPU one worker per core; without one half of the cores, the model needs the others."""
    cores = num_cores()
    return min(8, cores if torch.cuda.is_available() else max(1, cores // 2))


def _one_thread(worker: int) -> None:
    torch.set_num_threads(1)  # workers are the parallelism; threads inside them only contend
