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
from stfw.data.table import Table
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


def test_bad_videos_are_listed(videos: Path, tmp_path: Path) -> None:
    bad = sorted(videos.rglob("*.mp4"))[0]
    bad.write_text("no video")
    run(tmp_path / "flow", videos)
    rows = (tmp_path / "flow" / "bad_videos.jsonl").read_text().splitlines()
    assert [json.loads(row)["path"] for row in rows] == [str(bad)]
    assert len(list((tmp_path / "flow").rglob("*.mkv"))) == 3
    for file in videos.rglob("*.mp4"):
        file.write_text("no video")
    with pytest.raises(UserError, match="none of the 4 videos could be read"):
        run(tmp_path / "none", videos)


def test_the_disk_is_bounded(videos: Path, tmp_path: Path) -> None:
    run(tmp_path / "whole", videos)
    whole = sum(file.stat().st_size for file in (tmp_path / "whole").rglob("*.mkv"))
    out = tmp_path / "small"
    for workers in ("1", "2"):
        with pytest.raises(UserError, match="the next video would exceed --max-gb"):
            run(out, videos, "--max-gb", str((whole - 1) / 1e9), "--workers", workers)
        files = list(out.rglob("*.mkv"))
        assert len(files) == 3
        assert sum(file.stat().st_size for file in files) < whole
        assert not list(out.rglob("*.part"))
        assert len(json.loads((out / "checksums.json").read_text())) == 3
    run(out, videos, "--max-gb", str(whole / 1e9))
    assert len(list(out.rglob("*.mkv"))) == 4


def test_parts_of_one_video_share_its_flow(videos: Path, tmp_path: Path) -> None:
    rows = ["path,label,start_sec,end_sec,split"]
    for file, split in zip(
        sorted(videos.rglob("*.mp4")), ("train", "train", "val", "test"), strict=True
    ):
        rows += [f"{file},a,0,0.3,{split}", f"{file},b,0.3,0.6,{split}"]
    (tmp_path / "parts.csv").write_text("\n".join(rows))
    out, data = tmp_path / "flow", ["data=table", f"data.path={tmp_path / 'parts.csv'}"]
    main(["flow", str(out), "--workers", "1", "--", *data])
    assert len(list(out.rglob("*.mkv"))) == 4
    store, reader = FlowStore(str(out)), Table(str(tmp_path / "parts.csv"))
    for split in ("train", "val", "test"):
        for record in reader.records(split):
            assert store.read(record.video_id, np.arange(2)) is not None


def test_the_codec_is_chosen(videos: Path, tmp_path: Path) -> None:
    run(tmp_path / "lossy", videos, "--codec", "mjpeg")
    run(tmp_path / "lossless", videos)
    stores = [FlowStore(str(tmp_path / name)) for name in ("lossy", "lossless")]
    for file in videos.rglob("*.mp4"):
        name = file.relative_to(videos).as_posix()
        lossy, lossless = (store.read(name, np.arange(4)) for store in stores)
        assert lossy is not None
        assert lossless is not None
        assert 0 < np.abs(lossy.astype(int) - lossless).mean() < 2
    with pytest.raises(UserError, match="did you mean 'mjpeg'"):
        run(tmp_path / "no", videos, "--codec", "mjpg")


def test_two_processes_give_what_one_gives(videos: Path, tmp_path: Path) -> None:
    run(tmp_path / "one", videos)
    run(tmp_path / "two", videos, "--workers", "2")
    sums = [(tmp_path / name / "checksums.json").read_text() for name in ("one", "two")]
    assert sums[0] == sums[1]
