"""Frame numbers of clips."""

from __future__ import annotations

import numpy as np
import pytest

from stfw.sampling.clips import clip_frames, clip_span, random_starts, regular_starts
from stfw.types import VideoError, VideoInfo


def info(num_frames: int) -> VideoInfo:
    return VideoInfo("a.mp4", num_frames, 25.0, 64, 64)


def test_span_counts_both_ends() -> None:
    assert clip_span(16, 1) == 16
    assert clip_span(16, 2) == 31
    assert clip_span(1, 7) == 1


def test_frames_are_interval_apart() -> None:
    frames_NT = clip_frames(np.array([3, 10]), info(100), 4, 5, "loop")
    assert frames_NT.tolist() == [[3, 8, 13, 18], [10, 15, 20, 25]]


@pytest.mark.parametrize(
    ("short", "expected"), [("loop", [0, 1, 2, 0, 1]), ("repeat_last", [0, 1, 2, 2, 2])]
)
def test_short_videos_follow_the_named_policy(short: str, expected: list[int]) -> None:
    assert clip_frames(np.array([0]), info(3), 5, 1, short).tolist() == [expected]


def test_short_error_names_the_file_and_both_lengths() -> None:
    with pytest.raises(VideoError, match=r"a\.mp4.*3 frames.*spans 5") as caught:
        clip_frames(np.array([0]), info(3), 5, 1, "error")
    assert caught.value.kind == "short"


def test_random_starts_reach_both_ends_and_never_leave() -> None:
    generator = np.random.default_rng(0)
    drawn = np.concatenate([random_starts(4, 2, generator) for _ in range(200)])
    assert set(drawn.tolist()) == {0, 1, 2, 3, 4}


def test_regular_starts_cover_both_ends_and_one_stands_in_the_centre() -> None:
    assert regular_starts(90, 10).tolist() == [0, 10, 20, 30, 40, 50, 60, 70, 80, 90]
    assert regular_starts(90, 1).tolist() == [45]
