"""Overrides that make a run tiny, for tests that train."""

from __future__ import annotations

import csv
from pathlib import Path

TINY = [
    "data.num_train=16",
    "data.num_val=8",
    "data.num_test=9",
    "data.num_frames=20",
    "data.size=32",
    "data.batch_size=4",
    "data.num_workers=0",
    "clip.num_frames=4",
    "clip.short_side=24",
    "clip.crop_size=16",
    "trainer=cpu",
    "trainer.max_epochs=2",
]


def learnt(folder: Path) -> list[dict[str, str]]:
    """The rows of a run's ``metrics.csv``, less what tells of the machine's speed."""
    rows = csv.DictReader((folder / "metrics.csv").open())
    return [
        {name: value for name, value in row.items() if not name.startswith("throughput/")}
        for row in rows
    ]
