"""Sliding windows."""

from __future__ import annotations

import numpy as np
import pytest

from stfw.sampling.sliding import Sliding
from stfw.types import UserError, VideoInfo


def info(num_frames: int, times_F: np.ndarray | None = None) -> VideoInfo:
    return VideoInfo("a.mp4", num_frames, 25.0, 64, 64, times_F=times_F)


def starts(sampler: Sliding, video: VideoInfo) -> list[int]:
    views = sampler(video, None)
    assert all(view.frames_NT.shape[0] == 1 for view in views)
    return [int(view.frames_NT[0, 0]) for view in views]


def test_windows_follow_each_other_and_the_last_ends_with_the_video() -> None:
    sampler = Sliding(10, crop_size=32)
    assert starts(sampler, info(40)) == [0, 10, 20, 30]
    assert starts(sampler, info(45)) == [0, 10, 20, 30, 35]
    assert starts(Sliding(5, 2, crop_size=32), info(29)) == [0, 10, 20]  # a window spans 9


def test_every_frame_is_seen_unless_a_step_says_otherwise() -> None:
    for num_frames in range(1, 90):
        seen = [v.frames_NT for v in Sliding(16, crop_size=32)(info(num_frames), None)]
        assert set(np.concatenate(seen).ravel().tolist()) == set(range(num_frames))


def test_steps_of_frames_and_seconds() -> None:
    assert starts(Sliding(10, step_frames=4, crop_size=32), info(20)) == [0, 4, 8, 10]
    assert starts(Sliding(10, step_sec=0.4, crop_size=32), info(41)) == [0, 10, 20, 30, 31]
    assert starts(Sliding(10, step_sec=0.4, crop_size=32), info(40)) == [0, 10, 20, 30]


def test_seconds_follow_the_time_stamps() -> None:
    times_F = np.concatenate([np.arange(10) * 0.1, 1.0 + np.arange(10) * 0.5])
    found = starts(Sliding(2, step_sec=1.0, crop_size=32), info(20, times_F))
    assert found == [0, 10, 12, 14, 16, 18]


def test_seconds_at_a_rate_begin_on_its_frames() -> None:
    sampler = Sliding(4, step_sec=1.0, crop_size=32, fps=5)  # 4 s: 20 frames at 5 a second
    assert starts(sampler, info(100)) == [0, 25, 50, 75, 80]


def test_steps_below_a_frame_take_each_window_once() -> None:
    assert starts(Sliding(10, step_sec=0.01, crop_size=32), info(15)) == [0, 1, 2, 3, 4, 5]


def test_a_cap_spreads_the_windows_evenly() -> None:
    capped = Sliding(10, step_frames=10, max_windows=3, crop_size=32)
    assert starts(capped, info(100)) == [0, 40, 90]
    assert starts(capped, info(20)) == [0, 10]
    assert starts(Sliding(10, max_windows=1, crop_size=32), info(100)) == [40]


def test_training_takes_one_random_window() -> None:
    generator = np.random.default_rng(0)
    drawn = [Sliding(10, crop_size=32)(info(14), generator) for _ in range(100)]
    assert all(len(views) == 1 and views[0].boxes_N4 is None for views in drawn)
    assert {int(views[0].frames_NT[0, 0]) for views in drawn} == {0, 1, 2, 3, 4}


def test_crops_multiply_windows() -> None:
    assert len(Sliding(10, crop_size=32, views="1x3")(info(40), None)) == 12


def test_mistakes_are_named() -> None:
    with pytest.raises(UserError, match=r"step_frames=3 and sampler\.step_sec=1\.0"):
        Sliding(10, step_frames=3, step_sec=1.0)
    with pytest.raises(UserError, match=r"views=10x3.*write views=1x3"):
        Sliding(10, views="10x3")
    with pytest.raises(UserError, match=r"sampler\.max_windows=0"):
        Sliding(10, max_windows=0)
