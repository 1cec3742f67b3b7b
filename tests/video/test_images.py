"""Folders of pictures as videos."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stfw.data.toy_render import write_pictures
from stfw.types import VideoError
from stfw.video.decode import decode
from stfw.video.images import scan_images
from stfw.video.probe import probe


def test_gaps_and_missing_folders_are_named(tmp_path: Path) -> None:
    frames = np.zeros((5, 8, 8, 3), np.uint8)
    pattern = str(tmp_path / "clip" / "%04d.png")
    with pytest.raises(VideoError, match="no such"):
        probe(pattern)
    write_pictures(tmp_path / "clip", "%04d.png", frames)
    assert probe(pattern).info.num_frames == 5
    (tmp_path / "clip" / "0002.png").unlink()
    with pytest.raises(VideoError, match="picture 2 is missing") as caught:
        probe(pattern)
    assert caught.value.kind == "decode"
    with pytest.raises(VideoError, match="no picture of this name"):
        probe(str(tmp_path / "clip" / "img_%04d.jpg"))


def test_a_broken_picture_is_named(tmp_path: Path) -> None:
    write_pictures(tmp_path, "%04d.png", np.zeros((3, 8, 8, 3), np.uint8))
    (tmp_path / "0000.png").write_text("no picture")
    with pytest.raises(VideoError, match=r"0000\.png cannot be read"):
        probe(str(tmp_path / "%04d.png"))


def test_a_real_file_with_such_a_name_is_a_file(tmp_path: Path) -> None:
    path = tmp_path / "odd_%03d.mp4"
    path.write_text("no video")
    with pytest.raises(VideoError, match="not a video"):
        probe(str(path))


@pytest.mark.parametrize("first", [0, 1, 99998])
def test_frames_are_counted_from_the_first_number(tmp_path: Path, first: int) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (4, 8, 10, 3)).astype(np.uint8)
    folder = tmp_path / "100% of %s, %05d"  # only the file's own name is a pattern
    write_pictures(folder, "img_%05d.png", frames, first=first)
    (folder / "img_7.png").write_text("not named by five digits")
    index = probe(str(folder / "img_%05d.png"))
    assert index.info.num_frames == 4
    assert np.array_equal(decode(index, np.array([3, 0])), frames[[3, 0]])


def test_the_rate_is_30_unless_told(tmp_path: Path) -> None:
    write_pictures(tmp_path, "%03d.png", np.zeros((6, 8, 8, 3), np.uint8))
    assert scan_images(str(tmp_path / "%03d.png")).info.duration_sec == pytest.approx(0.2)
    assert scan_images(str(tmp_path / "%03d.png"), fps=12).info.duration_sec == pytest.approx(0.5)
