"""Frames that are kept: the same as decoded, and made anew when the video changes."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from stfw.types import VideoError
from stfw.video import cached as cached_module
from stfw.video.cached import Cached
from stfw.video.decode import decode
from stfw.video.probe import probe
from tests.coordinate_video import write_coordinate_video


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many frames each call of the decoder was asked for."""
    asked: list[int] = []

    def noting(index, frames, *more):  # type: ignore[no-untyped-def]
        asked.append(len(frames))
        return decode(index, frames, *more)

    monkeypatch.setattr(cached_module, "decode", noting)
    return asked


@pytest.mark.parametrize("size", [None, (24, 32)])
def test_kept_frames_are_those_decoded_and_are_decoded_once(
    size: tuple[int, int] | None, tmp_path: Path, calls: list[int]
) -> None:
    index = probe(str(write_coordinate_video(tmp_path / "a.mp4", num_frames=30)))
    kept = Cached(str(tmp_path / "kept"), min_free_gb=0)
    for frames in (np.array([3, 3, 29, 0]), np.arange(30), np.array([7])):
        want = decode(index, frames, size)
        np.testing.assert_array_equal(kept(index, frames, size), want)
        again = Cached(str(tmp_path / "kept"), min_free_gb=0)  # another worker
        np.testing.assert_array_equal(again(index, frames, size), want)
    assert calls == [30]


def test_a_changed_video_is_decoded_again_and_damage_is_mended(
    tmp_path: Path, calls: list[int]
) -> None:
    path = write_coordinate_video(tmp_path / "a.mp4", num_frames=30)
    kept = Cached(str(tmp_path / "kept"), min_free_gb=0)
    kept(probe(str(path)), np.array([5]))
    write_coordinate_video(path, num_frames=20)
    assert kept(probe(str(path)), np.array([5, 19])).shape[0] == 2
    for file in (tmp_path / "kept").rglob("*.npy"):
        os.truncate(file, file.stat().st_size // 2)
    want = decode(probe(str(path)), np.array([5]))
    np.testing.assert_array_equal(kept(probe(str(path)), np.array([5])), want)
    assert calls == [30, 20, 20]


def test_long_videos_and_full_disks_are_decoded_as_ever(tmp_path: Path, calls: list[int]) -> None:
    index = probe(str(write_coordinate_video(tmp_path / "a.mp4", num_frames=30)))
    short = Cached(str(tmp_path / "kept"), max_mb=0.2, min_free_gb=0)
    full = Cached(str(tmp_path / "kept"), min_free_gb=shutil.disk_usage(tmp_path).total / 1e9)
    (tmp_path / "file").touch()
    nowhere = Cached(str(tmp_path / "file" / "kept"), min_free_gb=0)
    for kept in (short, full, nowhere):
        np.testing.assert_array_equal(kept(index, np.array([4])), decode(index, np.array([4])))
    assert calls == [1, 1, 1]
    assert not list(tmp_path.rglob("*.npy"))
    with pytest.raises(VideoError, match="frame 30 was asked for"):
        Cached(str(tmp_path / "kept"))(index, np.array([30]))
