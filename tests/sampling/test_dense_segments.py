"""Dense sampling inside a window."""

from __future__ import annotations

import numpy as np
import pytest

from stfw.sampling.dense_segments import DenseSegments
from stfw.types import UserError, VideoError, VideoInfo


def info(num_frames: int) -> VideoInfo:
    return VideoInfo("a.mp4", num_frames, 25.0, 64, 64)


@pytest.mark.parametrize("num_frames", [10, 40, 57, 63, 64, 65, 100, 181, 300])
def test_ten_starts_agree_with_the_published_arithmetic(num_frames: int) -> None:
    """TSM: (k * 64 // K + start) % frames, ten starts from 0 to frames - 64."""
    views = DenseSegments(8, views="10x1", crop_size=32)(info(num_frames), None)
    starts = np.linspace(0, max(0, num_frames - 64), 10)
    for view, start in zip(views, starts, strict=True):
        taken = view.frames_NT[0]
        off = (taken - np.arange(8) * 8) % num_frames
        assert (
            len(set(off.tolist())) == 1
        )  # one start, eight frames apart, past the end again from 0
        assert abs(off[0] - start) <= 0.5  # there cut to whole numbers, here rounded


def test_random_windows_reach_both_ends() -> None:
    generator = np.random.default_rng(0)
    drawn = [DenseSegments(8, crop_size=32)(info(70), generator)[0] for _ in range(200)]
    assert {int(view.frames_NT[0, 0]) for view in drawn} == set(range(7))
    assert all(view.boxes_N4 is None and np.ptp(view.frames_NT) == 56 for view in drawn)


def test_clips_instead_of_frames() -> None:
    sampler = DenseSegments(5, num_clips=4, window=40, as_one_clip=False, crop_size=32)
    (view,) = sampler(info(60), None)  # the window begins at 10
    assert view.frames_NT.tolist() == [list(range(s, s + 5)) for s in (10, 20, 30, 40)]


@pytest.mark.parametrize(
    ("short", "expected"),
    [("loop", [0, 8, 6, 4]), ("repeat_last", [0, 8, 9, 9])],
)
def test_short_videos_follow_the_policy(short: str, expected: list[int]) -> None:
    sampler = DenseSegments(4, window=32, crop_size=32, short=short)  # type: ignore[arg-type]
    assert sampler(info(10), None)[0].frames_NT.tolist() == [expected]


def test_short_error() -> None:
    with pytest.raises(VideoError, match="has 10 frames where a clip spans 25"):
        DenseSegments(4, window=32, crop_size=32, short="error")(info(10), None)


def test_windows_too_small_are_named() -> None:
    with pytest.raises(UserError, match=r"sampler\.window=4 is too small for 8 segments"):
        DenseSegments(8, window=4)
    with pytest.raises(UserError, match=r"window=16 is too small for 4 segments.*18 frames"):
        DenseSegments(6, num_clips=4, window=16, as_one_clip=False)
    with pytest.raises(UserError, match=r"clip\.num_clips=2 with sampler\.as_one_clip"):
        DenseSegments(8, num_clips=2)
