"""What is written is what is read."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stfw.types import UserError, VideoError
from stfw.video.flow_store import VERSION, FlowImages, FlowStore, FlowWriter, file_name


@pytest.fixture
def root(tmp_path: Path) -> Path:
    settings = {"version": VERSION, "method": "dis", "bound": 20.0, "short_side": None}
    (tmp_path / "flow.json").write_text(json.dumps(settings))
    return tmp_path


def write(store: FlowStore, video_id: str, flow_TBW2: np.ndarray) -> None:
    writer = FlowWriter(store.path(video_id), 25)
    for flow_HW2 in flow_TBW2:
        writer.write(flow_HW2)
    writer.close(keep=True)


def test_frames_come_back_bit_by_bit_in_any_order(root: Path) -> None:
    store = FlowStore(str(root))
    flow = np.random.default_rng(0).integers(0, 256, (12, 30, 44, 2)).astype(np.uint8)
    write(store, "a/b c.mp4", flow)
    asked = np.array([0, 3, 4, 11])
    found = store.read("a/b c.mp4", asked)
    assert found is not None
    assert np.array_equal(found, flow[asked])
    assert store.read("a/other.mp4", asked) is None


@pytest.mark.parametrize("width", [44, 43])
def test_a_lossy_file_is_close_and_keeps_the_frames_apart(root: Path, width: int) -> None:
    store = FlowStore(str(root))
    levels = np.linspace(0, 255, 9).round().astype(np.uint8)  # the ends of the range too
    writer = FlowWriter(store.path("v"), 25, "mjpeg")
    for level in levels:
        writer.write(
            np.stack([np.full((30, width), v, np.uint8) for v in (level, 255 - level)], -1)
        )
    writer.close(keep=True)
    found = store.read("v", np.array([8, 1, 4]))
    assert found is not None
    assert found.shape == (3, 30, width, 2)
    expected = np.stack([levels[[8, 1, 4]], 255 - levels[[8, 1, 4]]], axis=-1).astype(int)
    assert np.abs(found.mean(axis=(1, 2)) - expected).max() <= 1.5


def test_numbered_pictures_are_read(tmp_path: Path) -> None:
    flow = np.repeat(np.arange(0, 200, 20)[:, None, None, None], 16, 1).repeat(24, 2)
    flow = np.concatenate([flow, 255 - flow], axis=-1).astype(np.uint8)
    (tmp_path / "a" / "clip").mkdir(parents=True)
    for number, flow_HW2 in enumerate(flow, start=1):  # of 11 frames
        for axis, plane_HW in zip("xy", np.moveaxis(flow_HW2, -1, 0), strict=True):
            path = tmp_path / "a" / "clip" / f"flow_{axis}_{number:05d}.jpg"
            Image.fromarray(plane_HW).save(path, quality=95)
    images = FlowImages(str(tmp_path))
    found = images.read("a/clip.avi", np.array([0, 3, 9, 10]))
    assert found is not None
    assert np.abs(found.astype(int) - flow[[0, 3, 9, 9]]).max() <= 2
    assert images.read("a/other.avi", np.array([0])) is None
    with pytest.raises(VideoError, match="flow_x_00029"):
        images.read("a/clip.avi", np.array([29]))


def test_a_file_appears_when_it_is_whole(root: Path) -> None:
    store = FlowStore(str(root))
    path = store.path("v")
    writer = FlowWriter(path, 25)
    writer.write(np.zeros((8, 8, 2), np.uint8))
    assert not path.exists()
    writer.close(keep=False)
    assert [p for p in root.rglob("*") if p.is_file()] == [root / "flow.json"]


def test_names_are_readable_and_differ() -> None:
    ids = [
        "a/clip.mp4",
        "b/clip.mp4",
        "a/clip.avi",
        "a/Clip.mp4",
        "ü b/=,(x).mp4",
        "a/clip.mp4#0-2",
    ]
    names = {file_name(video_id) for video_id in ids}
    assert len(names) == len(ids)
    assert all(name.isascii() and " " not in name for name in names)
    assert "clip-" in file_name("a/clip.mp4")


def test_no_store_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no flow store"):
        FlowStore(str(tmp_path))
    (tmp_path / "flow.json").write_text('{"version": 99}')
    with pytest.raises(UserError, match="version 99"):
        FlowStore(str(tmp_path))
