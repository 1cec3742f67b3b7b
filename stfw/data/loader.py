"""A DataLoader through which a bad video comes out as the error it is.

torch rebuilds a worker's exception from its text alone; the path, kind and reason of a
``VideoError`` would be lost in a traceback. So errors travel as values and are raised here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, get_worker_info

from stfw.data.batches import Item
from stfw.data.dataset import VideoDataset, collate, without_cause
from stfw.types import Batch, UserError, VideoError

PATH_BYTES = 1024  # longer paths are shown by their end


class VideoLoader(DataLoader[Any]):
    """Raises in this process what went wrong in a worker.

    Attributes:
        on_skipped: told of the unreadable videos that a batch goes without; it may raise.
        wait_sec: seconds that its batches have been waited for, over all epochs; the start of
            its workers counts.
        decode_sec: seconds that reading them took, added over the workers.
    """

    on_skipped: Callable[[list[VideoError]], None] | None = None
    wait_sec = 0.0
    decode_sec = 0.0

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]  # torch names a private class
        begin = time.perf_counter()
        batches = super().__iter__()
        while True:
            try:
                batch = next(batches)
            except StopIteration:
                return
            except RuntimeError as error:
                if "timed out" not in str(error):
                    raise
                raise self._late() from error
            if isinstance(batch, UserError):
                raise batch
            if batch.get("skipped") and self.on_skipped is not None:
                self.on_skipped(batch["skipped"])
            now = time.perf_counter()
            self.wait_sec += now - begin
            begin = now
            if "label" in batch:  # else nothing in it could be read
                self.decode_sec += float(batch["decode_sec"].sum())
                yield batch
                begin = time.perf_counter()

    def _late(self) -> UserError:
        paths = self.dataset.paths() if isinstance(self.dataset, Guarded) else []
        return UserError(
            f"no worker gave a batch within data.timeout_sec={self.timeout:g}; they were reading "
            f"{', '.join(paths) or 'nothing'}; raise the limit, or look at the files with stfw "
            "data scan"
        )


class Guarded(Dataset[Any]):
    """A dataset that hands a user's error on as a value, and tells what each worker reads.

    Args:
        dataset: the videos.
        num_workers: processes that will read from it.
        shapes: the same videos in other shapes; an item with a fourth number means one of them.
    """

    def __init__(
        self, dataset: VideoDataset, num_workers: int = 0, shapes: Sequence[VideoDataset] = ()
    ) -> None:
        self.dataset, self.shapes = dataset, shapes
        self.reading: Tensor | None = None
        if num_workers:
            self.reading = torch.zeros(num_workers, PATH_BYTES, dtype=torch.uint8).share_memory_()

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, item: Item) -> Batch | UserError:
        self._tell(self.dataset.records[item[1]].path)
        dataset = self.shapes[item[3]] if len(item) > 3 else self.dataset
        try:
            return dataset[item[:3]]
        except UserError as error:
            return without_cause(error)

    def _tell(self, path: str) -> None:
        worker = get_worker_info()
        if self.reading is not None and worker is not None:
            text = path.encode(errors="replace")[-PATH_BYTES:].ljust(PATH_BYTES, b"\0")
            self.reading[worker.id] = torch.frombuffer(bytearray(text), dtype=torch.uint8)

    def paths(self) -> list[str]:
        """What each worker has read last."""
        rows = [] if self.reading is None else self.reading.tolist()
        told = (bytes(row).rstrip(b"\0").decode(errors="replace") for row in rows)
        return [path for path in told if path]


def collate_or_error(samples: Sequence[Batch | UserError]) -> Batch | UserError:
    """A batch, or the first error among its samples."""
    for sample in samples:
        if isinstance(sample, UserError):
            return sample
    return collate(samples)  # type: ignore[arg-type]
