"""Flow in a sample: computed, from a store, mirrored, or missing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from stfw.data.dataset import VideoDataset
from stfw.data.sample import Loading
from stfw.data.streams.flow import Flow
from stfw.data.streams.rgb import RGB
from stfw.data.streams.stream import Stream
from stfw.sampling.clip_sampler import ClipSampler
from stfw.transforms.clip import HorizontalFlip, RandomCrop
from stfw.transforms.pipeline import ClipPipeline
from stfw.types import Record, UserError, VideoError
from stfw.video.decode import decode
from stfw.video.flow import dequantise
from stfw.video.flow_store import VERSION, FlowStore, FlowWriter
from stfw.video.writer import write_video


@pytest.fixture(scope="module")
def moving(tmp_path_factory: pytest.TempPathFactory) -> Record:
    """A texture that moves two pixels to the right per frame."""
    path = tmp_path_factory.mktemp("moving") / "right.mp4"
    rows, columns = np.mgrid[0:64, 0:96]
    frames = []
    for frame in range(12):
        x = columns - 2 * frame
        grey = 127 + 50 * np.sin(0.2 * x + 0.1 * rows) + 50 * np.sin(0.13 * x - 0.21 * rows + 1)
        frames.append(np.repeat(grey.astype(np.uint8)[..., None], 3, axis=2))
    write_video(path, np.stack(frames), 25)
    return Record("moving/right.mp4", str(path), 0)


def sample_of(record: Record, flow: Flow, transform: ClipPipeline | None = None) -> Any:
    streams = {"rgb": Stream(RGB()), "flow": Stream(flow)}
    loading = Loading(ClipSampler(12, crop_size=48), streams, transform, decode)
    return VideoDataset([record], loading)[(0, 0, 0)]


def test_computed_flow_is_the_motion_of_the_pixels(moving: Record) -> None:
    pytest.importorskip("cv2", reason="OpenCV is not installed")
    flow_CTHW = sample_of(moving, Flow())["flow"][0, 0]
    assert flow_CTHW.shape == (2, 12, 48, 48)
    pixels = dequantise(flow_CTHW[:, :, 12:-12, 12:-12].numpy())
    assert np.median(pixels[0], axis=(1, 2)) == pytest.approx(np.full(12, 2.0), abs=0.3)
    assert np.median(pixels[1], axis=(1, 2)) == pytest.approx(np.zeros(12), abs=0.3)


def test_mirrored_pictures_have_mirrored_flow(moving: Record) -> None:
    pytest.importorskip("cv2", reason="OpenCV is not installed")
    steps = {"crop": RandomCrop(48), "flip": HorizontalFlip(1.0)}
    sample = sample_of(moving, Flow(), ClipPipeline(steps))
    plain = sample_of(moving, Flow(), ClipPipeline({"crop": RandomCrop(48)}))
    assert torch.equal(sample["rgb"], plain["rgb"].flip(-1))  # the same crop
    assert torch.equal(sample["flow"][0, :, 1], plain["flow"][0, :, 1].flip(-1))
    assert torch.equal(sample["flow"][0, :, 0], 255 - plain["flow"][0, :, 0].flip(-1))


def test_a_store_is_read_where_there_is_one(moving: Record, tmp_path: Path) -> None:
    settings = {"version": VERSION, "method": "dis", "bound": 20.0}
    (tmp_path / "flow.json").write_text(json.dumps(settings))
    store = FlowStore(str(tmp_path))
    writer = FlowWriter(store.path(moving.video_id), 25)
    for frame in range(12):
        writer.write(np.full((64, 96, 2), 10 * frame, np.uint8))
    writer.close(keep=True)
    sample = sample_of(moving, Flow(store=str(tmp_path)))
    assert sample["flow"][0, 0, 1, :, 0, 0].tolist() == list(range(0, 120, 10))
    assert bool(sample["present"]["flow"])

    other = Record("other.mp4", moving.path, 0)
    with pytest.raises(VideoError, match=r"other\.mp4 is not in the flow store"):
        sample_of(other, Flow(store=str(tmp_path)))
    sample = sample_of(other, Flow(store=str(tmp_path), missing="zeros"))
    assert not bool(sample["present"]["flow"])
    assert (sample["flow"] == 127).all()


def test_pictures_of_other_tools_are_read(moving: Record, tmp_path: Path) -> None:
    (tmp_path / "moving").mkdir()
    for number in range(1, 12):  # of 12 frames
        for axis, value in (("x", 10 * number), ("y", 128)):
            picture = Image.new("L", (96, 64), value)
            picture.save(tmp_path / "moving" / f"right_{axis}-{number:04d}.png")
    flow = Flow(store=str(tmp_path), pictures="{video}_{axis}-%04d.png")
    sample = sample_of(moving, flow)
    assert sample["flow"][0, 0, 0, :, 0, 0].tolist() == [*range(10, 120, 10), 110]
    assert (sample["flow"][0, 0, 1] == 128).all()
    for wrong in ("{video}_%04d.png", "{video}/{axis}.png", "{axis}_%04d_%d.png"):
        with pytest.raises(UserError, match=r"name \{video\}, \{axis\} and the number"):
            Flow(store=str(tmp_path), pictures=wrong)
    with pytest.raises(UserError, match="needs store="):
        Flow(pictures="{video}_{axis}-%04d.png")
