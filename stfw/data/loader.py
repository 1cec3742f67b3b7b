"""A DataLoader through which a bad video comes out as the error it is.

torch rebuilds a worker's exception from its text alone; the path, kind and reason of a
``VideoError`` would be lost in a traceback. So errors travel as values and are raised here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from torch.utils.data import DataLoader, Dataset

from stfw.data.batches import Item
from stfw.data.dataset import VideoDataset, collate
from stfw.types import Batch, UserError


class VideoLoader(DataLoader[Any]):
    """Raises in this process what went wrong in a worker."""

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]  # torch names a private class
        for batch in super().__iter__():
            if isinstance(batch, UserError):
                raise batch
            yield batch


class Guarded(Dataset[Any]):
    """A dataset that hands a user's error on as a value."""

    def __init__(self, dataset: VideoDataset) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, item: Item) -> Batch | UserError:
        try:
            return self.dataset[item]
        except UserError as error:
            error.__cause__ = error.__context__ = None  # causes need not be picklable
            return error


def collate_or_error(samples: Sequence[Batch | UserError]) -> Batch | UserError:
    """A batch, or the first error among its samples."""
    for sample in samples:
        if isinstance(sample, UserError):
            return sample
    return collate(samples)  # type: ignore[arg-type]
