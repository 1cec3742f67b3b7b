"""Overrides that make a run tiny, for tests that train."""

from __future__ import annotations

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
