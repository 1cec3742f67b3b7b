"""Extracting flow: what is written is what training would compute; interrupted, it goes on."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("cv2", reason="OpenCV is not installed")

from stfw.commands.data import main
from stfw.data.folder import Folder
from stfw.types import UserError
from stfw.video.decode import decode
from stfw.video.flow import Flow, quantise
from stfw.video.flow_store import FlowStore
from stfw.video.probe import probe


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    Folder.write_toy(tmp_path / "videos")
    return tmp_path / "videos"


def run(out: Path, videos: Path, *more: str) -> None:
    words = ["flow", str(out), "--workers", "1", *more, "--", "data=folder", f"data.root={videos}"]
    main([*words, "data.val_fraction=0.25", "data.test_fraction=0.25"])


def test_the_store_holds_the_flow_of_every_frame(videos: Path, tmp_path: Path) -> None:
    out = tmp_path / "flow"
    run(out, videos)
    store, files = FlowStore(str(out)), sorted(videos.rglob("*.mp4"))
    assert len(files) == 4
    for file in files:
        index = probe(str(file))
        frames = decode(index, np.arange(index.info.num_frames))
        video_id = file.relative_to(videos).as_posix()
        found = store.read(video_id, np.arange(index.info.num_frames))
        assert found is not None
        compute = Flow("dis")
        for t in (0, 2, index.info.num_frames - 2):
            assert np.array_equal(found[t], quantise(compute(frames[t], frames[t + 1])))
        assert np.array_equal(found[-1], found[-2])
    assert len(json.loads((out / "checksums.json").read_text())) == 4


def test_it_goes_on_where_it_stopped_and_clears_up(videos: Path, tmp_path: Path) -> None:
    out = tmp_path / "flow"
    run(out, videos)
    first = json.loads((out / "checksums.json").read_text())
    files = sorted(out.rglob("*.mkv"))
    kept = {file: os.stat(file).st_mtime_ns for file in files[1:]}
    files[0].unlink()
    (files[0].parent / (files[0].name + ".part")).write_bytes(b"half")
    run(out, videos)
    assert json.loads((out / "checksums.json").read_text()) == first
    assert {file: os.stat(file).st_mtime_ns for file in kept} == kept
    assert not list(out.rglob("*.part"))
    with pytest.raises(UserError, match=r"bound was 20.0 and is 10.0"):
        run(out, videos, "--bound", "10")


def test_bad_videos_are_listed_and_the_disk_is_bounded(videos: Path, tmp_path: Path) -> None:
    bad = sorted(videos.rglob("*.mp4"))[0]
    bad.write_text("no video")
    run(tmp_path / "flow", videos)
    rows = (tmp_path / "flow" / "bad_videos.jsonl").read_text().splitlines()
    assert [json.loads(row)["path"] for row in rows] == [str(bad)]
    assert len(list((tmp_path / "flow").rglob("*.mkv"))) == 3
    with pytest.raises(UserError, match="more than --max-gb"):
        run(tmp_path / "small", videos, "--max-gb", "1e-6")
    for file in videos.rglob("*.mp4"):
        file.write_text("no video")
    with pytest.raises(UserError, match="none of the 4 videos could be read"):
        run(tmp_path / "none", videos)


def test_two_processes_give_what_one_gives(videos: Path, tmp_path: Path) -> None:
    run(tmp_path / "one", videos)
    run(tmp_path / "two", videos, "--workers", "2")
    sums = [(tmp_path / name / "checksums.json").read_text() for name in ("one", "two")]
    assert sums[0] == sums[1]
