"""Browsing: the page shows what the dataset gives, and the boxes are where it was cut."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from stfw.assemble import assemble_data
from stfw.build import Build
from stfw.commands.data import main
from stfw.commands.data._looks import looks
from stfw.config import compose
from stfw.data.dataset import VideoDataset
from stfw.data.folder import Folder
from stfw.reports.sheet import picture, spectrogram
from stfw.types import UserError
from stfw.video.decode import decode
from stfw.video.probe import probe
from tests.command_line import TINY


def dataset_of(split: str, *overrides: str) -> VideoDataset:
    cfg = compose("train", [*TINY, *overrides]).cfg
    return assemble_data(cfg, Build()).dataset(split)


def cut_source(dataset: VideoDataset, item: tuple[int, int, int]) -> tuple[Any, Any, bool]:
    """What the boxes of an item hold, cut out of the source, and the sample itself: T H W C."""
    (look,) = looks(dataset, item)
    index = probe(dataset.records[item[1]].path)
    frames = decode(index, look.frames_NT[0], (24, 24))
    (box_42,) = look.boxes[0]
    (left, top), (right, bottom) = box_42.min(axis=0), box_42.max(axis=0)
    exact = np.array([left, top, right, bottom]).round(1)
    x0, y0, x1, y1 = exact.round().astype(int)
    sample: Any = dataset[item]
    return frames[:, y0:y1, x0:x1], sample["rgb"][0, 0].permute(1, 2, 3, 0).numpy(), look.mirrored


@pytest.mark.parametrize("prob", [0.0, 1.0])
def test_boxes_are_where_training_cuts(prob: float) -> None:
    dataset = dataset_of("train", "transform=crop", f"transform.train.flip.prob={prob}")
    for item in [(0, 3, 0), (0, 7, 0), (2, 3, 0)]:
        wanted, got, mirrored = cut_source(dataset, item)
        assert mirrored is bool(prob)
        assert np.array_equal(got, wanted[:, :, ::-1] if prob else wanted)


def test_boxes_follow_resizing_and_colours() -> None:
    dataset = dataset_of(
        "train", "transform=colour", "transform.train.rotation.degrees=0", "data.repeats=2"
    )
    first, second = looks(dataset, (1, 5, 0))
    assert not np.array_equal(first.boxes[0][0], second.boxes[0][0])
    sample: Any = dataset[1, 5, 0]
    index = probe(dataset.records[5].path)
    for look, x_CTHW in zip((first, second), sample["rgb"][:, 0], strict=True):
        (box_42,) = look.boxes[0]
        (left, top), (right, bottom) = box_42.min(axis=0), box_42.max(axis=0)
        assert 0 <= left < right <= 24.5
        # resampled from the box, the source is close to what the model sees, but for its colours
        frames = torch.from_numpy(decode(index, look.frames_NT[0], (24, 24)))
        region = frames[:, round(top) : round(bottom), round(left) : round(right)]
        gray = region.float().mean(-1)[:, None]
        shown = torch.nn.functional.interpolate(gray, (16, 16), mode="bilinear", antialias=True)
        shown = shown[:, 0].flip(-1) if look.mirrored else shown[:, 0]
        seen = x_CTHW.float().mean(0)
        assert np.corrcoef(shown.ravel(), seen.ravel())[0, 1] > 0.7


def test_a_turned_frame_has_a_turned_box() -> None:
    dataset = dataset_of("train", "transform=colour", "transform.train.flip.prob=0")
    corners_42 = looks(dataset, (0, 0, 0))[0].boxes[0][0]
    slope = (corners_42[1] - corners_42[0])[1]
    assert abs(slope) > 0.05
    sides = np.linalg.norm(np.diff(corners_42[[0, 1, 2, 3, 0]], axis=0), axis=1)
    assert sides[0] == pytest.approx(sides[2], abs=0.1)


def test_boxes_of_evaluation_are_the_protocols() -> None:
    dataset = dataset_of("test", "views=2x3")
    found = looks(dataset, (0, 4, 0))
    assert len(found) == 6
    sample: Any = dataset[4]
    index = probe(dataset.records[4].path)
    for look, x_CTHW in zip(found, sample["rgb"][:, 0], strict=True):
        left, top = look.boxes[0][0][0].astype(int)
        frames = decode(index, look.frames_NT[0], (24, 24))
        wanted = frames[:, top : top + 16, left : left + 16]
        assert np.array_equal(x_CTHW.permute(1, 2, 3, 0).numpy(), wanted)


def test_the_page_shows_every_stream(tmp_path: Path) -> None:
    out = tmp_path / "browse.html"
    words = [*TINY, "streams=rgb_difference", "sampler=patches", "transform=none"]
    words += ["sampler.height=12", "sampler.width=12", "sampler.num_frames=4"]
    main(["browse", "--out", str(out), "--num", "2", "--", *words])
    page = out.read_text()
    assert page.count("<h2>") == 2
    assert "<span>source</span>" in page
    assert "<span>rgb</span>" in page
    assert "<span>difference</span>" in page
    assert "view 1 of 1, clip 1 of" in page
    assert "<script" not in page
    assert 'src="data:image/png' in page
    assert 'src="http' not in page


def test_sound_and_unreadable_videos(tmp_path: Path) -> None:
    videos = tmp_path / "videos"
    Folder.write_toy(videos)
    (videos / "left" / "0.mp4").write_text("no video")
    out = tmp_path / "browse.html"
    data = ["data=folder", f"data.root={videos}", "data.val_fraction=0.25", "data.test_fraction=0"]
    clip = ["clip.num_frames=4", "clip.short_side=24", "clip.crop_size=16"]
    main(["browse", "--out", str(out), "--", *data, *clip, "streams=rgb_audio"])
    page = out.read_text()
    assert page.count("<h2>") == 3
    assert "not a video that can be read" in page
    assert "not in this video" in page  # the toy has no sound


def test_streams_as_pictures() -> None:
    still_2HW = np.full((2, 4, 4), 128, np.uint8)
    assert picture(still_2HW).min() > 230
    right_2HW, down_2HW = still_2HW.copy(), still_2HW.copy()
    right_2HW[0], down_2HW[1] = 255, 255
    assert not np.array_equal(picture(right_2HW), picture(down_2HW))
    assert picture(np.zeros((3, 4, 5), np.uint8)).shape == (4, 5, 3)
    assert picture(np.zeros((1, 4, 5), np.uint8)).shape == (4, 5, 3)
    sound_ML = np.zeros((8, 20), np.float32)
    sound_ML[0] = 5.0  # low tones
    assert spectrogram(sound_ML)[-1].sum() > spectrogram(sound_ML)[0].sum()


def test_mistakes_are_told() -> None:
    with pytest.raises(UserError, match="did you mean 'train'"):
        main(["browse", "--split", "trian"])
    with pytest.raises(UserError, match="below 1"):
        main(["browse", "--num", "0"])
    with pytest.raises(UserError, match="no such"):
        main(["browse", "--", "sampler=nothing"])
