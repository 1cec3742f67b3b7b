"""Unreadable videos in a whole run: stopped by, or gone on without, and counted."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from stfw.data.toy_render import draw_scene, render
from stfw.video.writer import write_video

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    """Ten training, two validation and four test videos of two classes."""
    for split, count in (("train", 10), ("val", 2), ("test", 4)):
        for number in range(count):
            label = ("left", "right")[number % 2]
            folder = tmp_path / "videos" / split / label
            folder.mkdir(parents=True, exist_ok=True)
            scene = draw_scene(label, "red", 8, 32, np.random.default_rng(number))
            write_video(folder / f"{number}.mp4", render(scene), fps=8)
    return tmp_path / "videos"


def words(videos: Path, out: Path, *more: str) -> list[str]:
    tiny = ["clip.num_frames=4", "clip.short_side=24", "clip.crop_size=16", "trainer=cpu"]
    own = ["data=folder", f"data.root={videos}", "data.batch_size=4", "data.num_workers=0"]
    return ["train", *own, *tiny, "trainer.max_epochs=2", f"output_dir={out}", *more]


def break_files(videos: Path, *names: str) -> None:
    for name in names:
        (videos / name).write_text("no video")


def test_by_default_a_run_stops_and_names_the_file(
    stfw: Call, videos: Path, tmp_path: Path
) -> None:
    break_files(videos, "train/left/2.mp4")
    status, _, told = stfw(*words(videos, tmp_path / "run"))
    assert status == 2
    assert "train/left/2.mp4: not a video that can be read" in told


def test_skipped_videos_are_counted_in_the_run(stfw: Call, videos: Path, tmp_path: Path) -> None:
    break_files(videos, "train/left/2.mp4", "test/right/3.mp4")
    skip = ["data.on_error=skip", "data.max_bad_fraction=0.3"]
    status, told, error = stfw(*words(videos, tmp_path / "run", *skip))
    assert status == 0, error
    run = json.loads((tmp_path / "run" / "run.json").read_text())
    assert run["skipped"] == {"test": 1, "train": 1}
    assert "1 test videos could not be read" in told
    rows = (tmp_path / "run" / "bad_samples.jsonl").read_text().splitlines()
    assert {json.loads(row)["kind"] for row in rows} == {"open"}
    predictions = (tmp_path / "run" / "predictions.csv").read_text().splitlines()
    assert len(predictions) == 1 + 3


def test_too_many_stop_the_run(stfw: Call, videos: Path, tmp_path: Path) -> None:
    break_files(videos, "train/left/2.mp4", "train/left/4.mp4")
    skip = ["data.on_error=skip", "data.max_bad_fraction=0.1"]
    status, _, told = stfw(*words(videos, tmp_path / "run", *skip))
    assert status == 2
    assert "2 of 10 train videos cannot be read, more than data.max_bad_fraction=0.1" in told


def test_a_data_set_that_is_all_broken_ends_at_once(
    stfw: Call, videos: Path, tmp_path: Path
) -> None:
    for path in videos.rglob("*.mp4"):
        path.write_text("no video")
    status, _, told = stfw(*words(videos, tmp_path / "run", "data.on_error=skip"))
    assert status == 2
    assert "10 videos in a row cannot be read" in told
