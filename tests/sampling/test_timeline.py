"""A video seen at another rate."""

from __future__ import annotations

import numpy as np
import pytest

from stfw.sampling.clip_sampler import ClipSampler
from stfw.sampling.timeline import ClipShape, check_positive, nearest_frames
from stfw.types import UserError, VideoError, VideoInfo


def constant(num_frames: int, fps: float = 25.0) -> VideoInfo:
    return VideoInfo("a.mp4", num_frames, fps, 64, 64)


def varying(num_frames: int, seed: int) -> VideoInfo:
    """Frames between 5 and 200 ms apart."""
    gaps = np.random.default_rng(seed).uniform(0.005, 0.2, num_frames - 1)
    times_F = np.concatenate([[0.0], np.cumsum(gaps)])
    fps = (num_frames - 1) / times_F[-1]
    return VideoInfo("vfr.mkv", num_frames, fps, 64, 64, times_F=times_F)


def test_without_a_rate_the_timeline_is_the_video() -> None:
    timeline = ClipShape(4).timeline(varying(30, 0), np.random.default_rng(0))
    assert timeline.source_J.tolist() == list(range(30))
    assert timeline.last_start == 26


@pytest.mark.parametrize(
    ("fps", "expected"),
    [
        (25, list(range(10))),
        (5, [0, 5]),
        (50, [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9]),
        (10, [0, 2, 5, 7]),  # 0, 2.5, 5, 7.5: the earlier of two equally near
    ],
)
def test_constant_rates_by_hand(fps: float, expected: list[int]) -> None:
    timeline = ClipShape(1, fps=fps).timeline(constant(10), None)
    assert timeline.source_J.tolist() == expected


@pytest.mark.parametrize("rate", [24.0, 25.0, 30000 / 1001, 60.0])
@pytest.mark.parametrize("num_frames", [1, 2, 99, 1000, 12345])
def test_its_own_rate_is_every_frame(rate: float, num_frames: int) -> None:
    timeline = ClipShape(1, fps=rate).timeline(constant(num_frames, rate), None)
    assert timeline.source_J.tolist() == list(range(num_frames))


def test_frames_of_a_varying_rate_by_hand() -> None:
    times_F = np.array([0.0, 0.1, 0.5, 0.6, 1.4])
    info = VideoInfo("vfr.mkv", 5, 3.0, 64, 64, times_F=times_F)
    timeline = ClipShape(1, fps=4).timeline(info, None)  # at 0, .25, .5, .75, 1, 1.25, 1.5
    assert timeline.source_J.tolist() == [0, 1, 2, 3, 3, 4, 4]


@pytest.mark.parametrize("random", [False, True])
@pytest.mark.parametrize("seed", range(20))
def test_every_chosen_frame_lies_within_half_a_frame_of_its_target(seed: int, random: bool) -> None:
    info = varying(50 + seed * 13, seed)
    timeline = ClipShape(16, 2, fps=8).timeline(info, np.random.default_rng(1) if random else None)
    targets_J = timeline.seconds()
    np.testing.assert_allclose(np.diff(targets_J), 1 / 8)
    assert info.times_F is not None
    gaps = np.diff(info.times_F)
    for target, frame in zip(targets_J, timeline.source_J, strict=True):
        local = max(gaps[max(0, frame - 1) : frame + 1])
        assert abs(info.times_F[frame] - target) <= local / 2 + 1e-6
        assert abs(info.times_F - target).min() == pytest.approx(
            abs(info.times_F[frame] - target), abs=2e-6
        )


def test_a_clip_of_the_sampler_keeps_its_seconds() -> None:
    """16 frames, every second one at 8 a second: a quarter of a second apart, whatever the rate."""
    sampler = ClipSampler(8, 2, short_side=32, crop_size=32, views="3x1", fps=8)
    for info in (constant(200, 25), constant(200, 50), constant(200, 10), varying(200, 3)):
        times_F = np.arange(200) / info.fps if info.times_F is None else info.times_F
        largest_gap = np.diff(times_F).max()
        for view in sampler(info, None) + sampler(info, np.random.default_rng(0)):
            seconds_T = times_F[view.frames_NT[0]]
            off = seconds_T - seconds_T[0] - np.arange(8) * 0.25
            assert abs(off).max() <= largest_gap + 1e-6  # half a frame at either end
    first, middle, last = (view.frames_NT[0] for view in sampler(constant(100, 25), None))
    assert first.tolist() == [0, 6, 12, 19, 25, 31, 37, 44]
    assert last[-1] == 97  # the last eighth of a second is 31 / 8 s = frame 96.9
    assert first[0] < middle[0] < last[0]


def test_random_phase_never_shortens_the_timeline() -> None:
    shape = ClipShape(10, short="error", fps=1)
    generator = np.random.default_rng(0)
    drawn = [shape.timeline(constant(250), generator) for _ in range(200)]  # ten seconds
    assert {len(timeline) for timeline in drawn} == {10}
    firsts = {int(timeline.source_J[0]) for timeline in drawn}
    assert {0, 24} <= firsts <= set(range(25))
    assert all(timeline.clips(np.array([0])).shape == (1, 10) for timeline in drawn)


@pytest.mark.parametrize(("short", "last"), [("loop", [0, 5, 0, 5]), ("repeat_last", [0, 5, 5, 5])])
def test_short_policies_count_frames_of_the_rate(short: str, last: list[int]) -> None:
    shape = ClipShape(4, short=short, fps=5)  # type: ignore[arg-type]
    assert shape.timeline(constant(10), None).clips(np.array([0])).tolist() == [last]


def test_too_short_at_this_rate_is_an_error_where_asked_for() -> None:
    timeline = ClipShape(4, short="error", fps=5).timeline(constant(10), None)
    with pytest.raises(VideoError, match=r"a\.mp4: has 2 frames where a clip spans 4"):
        timeline.clips(np.array([0]))


@pytest.mark.parametrize("fps", [None, 8])
def test_an_empty_video_is_refused(fps: float | None) -> None:
    with pytest.raises(VideoError, match="has no frames"):
        ClipSampler(4, crop_size=32, fps=fps)(constant(0), None)


def test_a_rate_that_is_needed_and_unknown_is_named() -> None:
    with pytest.raises(VideoError, match=r"no frame rate.*clip\.fps=null"):
        ClipShape(4, fps=8).timeline(constant(10, 0.0), None)


def test_nearest_takes_the_earlier_of_two() -> None:
    times_F = np.array([0.0, 1.0, 2.0, 10.0])
    seconds = np.array([-3.0, 0.49, 0.5, 0.51, 1.0, 6.0, 6.1, 99.0])
    assert nearest_frames(times_F, seconds).tolist() == [0, 0, 0, 1, 1, 2, 3, 3]


def test_numbers_that_are_not_positive_are_named() -> None:
    check_positive({"a": None, "b": 0.5})
    with pytest.raises(UserError, match=r"clip\.fps=0 is not above 0"):
        ClipShape(4, fps=0)
    with pytest.raises(UserError, match=r"clip\.frame_interval=-1"):
        ClipShape(4, -1)
