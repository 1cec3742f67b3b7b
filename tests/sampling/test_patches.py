"""Spacetime patches."""

from __future__ import annotations

import math

import numpy as np
import pytest

from stfw.sampling.patches import Patches
from stfw.types import UserError, VideoError, VideoInfo, View


def info(num_frames: int, height: int = 48, width: int = 64) -> VideoInfo:
    return VideoInfo("a.mp4", num_frames, 25.0, height, width)


def only(views: list[View]) -> tuple[np.ndarray, np.ndarray]:
    """The frames and boxes of the one view that patches give."""
    (view,) = views
    assert view.boxes_N4 is not None
    assert len(view.frames_NT) == len(view.boxes_N4) == len(view.weights_N)
    return view.frames_NT, view.boxes_N4


@pytest.mark.parametrize("random", [False, True])
def test_a_thousand_frames_are_fifty_patches_of_twenty(random: bool) -> None:
    sampler = Patches(20, height=None, width=None, step_frames=20)
    generator = np.random.default_rng(0) if random else None
    frames_NT, boxes_N4 = only(sampler(info(1000), generator))
    assert frames_NT.tolist() == [list(range(t, t + 20)) for t in range(0, 1000, 20)]
    assert boxes_N4.tolist() == [[0, 8, 48, 48]] * 50  # the square in the middle


def test_the_last_window_is_moved_to_the_end_not_dropped() -> None:
    frames_NT, _ = only(Patches(20, height=None, width=None)(info(1010), None))
    assert frames_NT[:, 0].tolist() == [*range(0, 1000, 20), 990]


def test_the_grid_by_hand() -> None:
    """48 x 64 in boxes of 32 x 32, 16 pixels apart; 10 frames in boxes of 4, 3 apart."""
    frames_NT, boxes_N4 = only(Patches(4, 1, 32, 32, 3, 16)(info(10), None))
    places = [(t, y, x) for t in (0, 3, 6) for y in (0, 16) for x in (0, 16, 32)]
    found = zip(frames_NT[:, 0].tolist(), *boxes_N4[:, :2].T.tolist(), strict=True)
    assert list(found) == places
    assert (boxes_N4[:, 2:] == 32).all()


def test_tiles_cover_every_pixel_of_every_frame() -> None:
    for num_frames in (4, 9, 16):
        seen = np.zeros((num_frames, 48, 64), bool)
        patches = only(Patches(4, 1, 20, 30)(info(num_frames), None))
        for frames_T, (top, left, height, width) in zip(*patches, strict=True):
            seen[frames_T, top : top + height, left : left + width] = True
        assert seen.all()


def test_random_patches_reach_every_corner() -> None:
    sampler = Patches(4, 1, 40, 60, mode="random", num_patches=500)
    frames_NT, boxes_N4 = only(sampler(info(8), np.random.default_rng(0)))
    assert len(frames_NT) == 500
    assert (np.diff(frames_NT[:, 0]) >= 0).all()
    assert set(frames_NT[:, 0].tolist()) == set(range(5))
    assert set(boxes_N4[:, 0].tolist()) == set(range(9))
    assert set(boxes_N4[:, 1].tolist()) == set(range(5))


def test_random_patches_in_evaluation_are_a_regular_choice() -> None:
    sampler = Patches(4, 1, 24, 32, mode="random", num_patches=8)  # four boxes tile the frame
    frames_NT, boxes_N4 = only(sampler(info(39), None))
    assert frames_NT[:, 0].tolist() == [0, 5, 10, 15, 20, 25, 30, 35]
    assert np.unique(boxes_N4, axis=0, return_counts=True)[1].tolist() == [2, 2, 2, 2]


def test_cells_hold_one_random_patch_each_and_its_middle_in_evaluation() -> None:
    """40 frames in cells of 10, the frame in cells of 24 x 32; patches of 4 x 16 x 20."""
    sampler = Patches(4, 1, 16, 20, 10, None, mode="cell")
    spaced = Patches(4, 1, 16, 16, 10, 24, mode="cell")
    frames_NT, boxes_N4 = only(spaced(info(40), None))
    places = [(t, y, x) for t in (3, 13, 23, 33) for y in (4, 28) for x in (8, 40)]
    assert list(zip(frames_NT[:, 0], boxes_N4[:, 0], boxes_N4[:, 1], strict=True)) == places
    generator = np.random.default_rng(0)
    starts = []
    for _ in range(300):
        frames_NT, boxes_N4 = only(spaced(info(40), generator))
        starts.append(np.stack([frames_NT[:, 0], boxes_N4[:, 0], boxes_N4[:, 1]], axis=1))
    spread = np.stack(starts)
    for patch, (t, y, x) in enumerate(places):
        assert set(spread[:, patch, 0].tolist()) == set(range(t - 3, t + 4))
        assert set(spread[:, patch, 1].tolist()) == set(range(y - 4, y + 5))
        assert set(spread[:, patch, 2].tolist()) == set(range(x - 8, x + 9))
    assert len(only(sampler(info(40), None))[0]) == 4 * 3 * 3


@pytest.mark.parametrize("mode", ["grid", "cell"])
def test_a_cap_thins_time_and_space_evenly(mode: str) -> None:
    sampler = Patches(4, 1, 24, 32, mode=mode, num_patches=10)  # type: ignore[arg-type]
    frames_NT, boxes_N4 = only(sampler(info(40), None))  # ten moments of four boxes
    assert frames_NT[:, 0].tolist() == list(range(0, 40, 4))
    assert np.unique(boxes_N4, axis=0, return_counts=True)[1].tolist() == [2, 2, 3, 3]
    assert len(only(sampler(info(4), None))[0]) == 4


def test_weights_are_a_gaussian_of_the_distance_from_the_centre() -> None:
    (view,) = Patches(4, 1, 16, 16, sigma=0.5)(info(4, 48, 48), None)
    # centres at 8, 24, 40 of 48: two thirds of half a frame from the middle
    off = math.exp(-((2 / 3) ** 2) / (2 * 0.25))
    expected = [off * off, off, off * off, off, 1, off, off * off, off, off * off]
    np.testing.assert_allclose(view.weights_N, expected, rtol=1e-6)
    assert view.weights_N.dtype == np.float32


def test_weights_never_vanish_and_the_largest_is_one() -> None:
    """0 would mean padding; two columns of boxes, none in the middle."""
    (view,) = Patches(4, 1, 16, 16, step_pixels=48, sigma=0.01)(info(4, 64, 64), None)
    assert view.weights_N.tolist() == [1, 1, 1, 1]
    (view,) = Patches(4, 1, 16, 16, sigma=0.01)(info(4, 48, 48), None)
    assert view.weights_N.max() == 1
    assert 0 < view.weights_N.min() < 1e-5
    (view,) = Patches(4, 1, 16, 16)(info(4), None)
    assert set(view.weights_N.tolist()) == {1.0}


def test_boxes_are_those_of_the_resized_frame() -> None:
    _, boxes_N4 = only(Patches(4, 1, 24, 24, short_side=24)(info(4), None))
    assert boxes_N4.tolist() == [[0, 0, 24, 24], [0, 8, 24, 24]]  # 24 x 32


@pytest.mark.parametrize(
    ("short", "expected"), [("loop", [0, 1, 2, 0, 1]), ("repeat_last", [0, 1, 2, 2, 2])]
)
@pytest.mark.parametrize("mode", ["grid", "cell", "random"])
def test_short_videos_follow_the_policy(mode: str, short: str, expected: list[int]) -> None:
    sampler = Patches(5, 1, 48, 64, mode=mode, num_patches=1, short=short)  # type: ignore[arg-type]
    for generator in (None, np.random.default_rng(0)):
        assert only(sampler(info(3), generator))[0].tolist() == [expected]
    refusing = Patches(5, 1, 48, 64, mode=mode, num_patches=1, short="error")  # type: ignore[arg-type]
    with pytest.raises(VideoError, match="has 3 frames where a clip spans 5"):
        refusing(info(3), None)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"height": None}, r"sampler\.height=None and sampler\.width=112.*both"),
        ({"mode": "random"}, r"mode=random needs a number"),
        ({"views": "10x1"}, r"views=10x1.*write views=1x1"),
        ({"step_frames": 0}, r"sampler\.step_frames=0"),
        ({"sigma": 0.0}, r"sampler\.sigma=0"),
    ],
)
def test_mistakes_are_named(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Patches(**arguments)  # type: ignore[arg-type]


def test_a_patch_larger_than_the_frame_is_refused() -> None:
    with pytest.raises(UserError, match=r"a\.mp4: a patch of 32x112 does not fit.*48x64"):
        Patches(4, 1, 32, 112)(info(10), None)
