"""Fragments of the video, and mini-patches of the frame."""

from __future__ import annotations

import numpy as np
import pytest

from stfw.sampling.fragments import Fragments
from stfw.types import UserError, VideoInfo


def info(num_frames: int, height: int = 240, width: int = 320) -> VideoInfo:
    return VideoInfo("a.mp4", num_frames, 25.0, height, width)


def test_middles_of_equal_parts_by_hand() -> None:
    (view,) = Fragments(4, num_clips=5, crop_size=32)(info(100), None)  # parts of 20
    assert view.frames_NT.tolist() == [list(range(s, s + 4)) for s in (8, 28, 48, 68, 88)]
    assert view.mosaic_NG4 is None
    assert view.boxes_N4 is not None


def test_random_fragments_lie_anywhere_inside_their_own_part() -> None:
    generator = np.random.default_rng(0)
    sampler = Fragments(3, num_clips=4, crop_size=32)
    drawn = np.stack([sampler(info(40), generator)[0].frames_NT for _ in range(300)])
    for part in range(4):
        assert set(drawn[:, part].ravel().tolist()) == set(range(part * 10, part * 10 + 10))
    assert (np.diff(drawn, axis=2) == 1).all()


def test_training_agrees_with_the_published_arithmetic() -> None:
    """FAST-VQA: length // K * k + random(length // K - T): here T more starts are allowed."""
    num_frames, num_clips = 96, 8
    grid = np.array([num_frames // num_clips * k for k in range(num_clips)])
    generator = np.random.default_rng(0)
    sampler = Fragments(4, num_clips=num_clips, crop_size=32)
    offsets = [sampler(info(num_frames), generator)[0].frames_NT[:, 0] - grid for _ in range(300)]
    assert set(np.concatenate(offsets).tolist()) == set(range(12 - 4 + 1))


def test_several_moments_go_from_the_beginning_to_the_end_of_each_part() -> None:
    views = Fragments(4, num_clips=2, crop_size=32, views="3x1")(info(20), None)
    assert [view.frames_NT[:, 0].tolist() for view in views] == [[0, 10], [3, 13], [6, 16]]


def test_parts_shorter_than_fragments_overlap_in_order() -> None:
    frames_NT = Fragments(5, num_clips=4, crop_size=32)(info(12), None)[0].frames_NT
    assert frames_NT[:, 0].tolist() == [0, 2, 5, 7]
    assert frames_NT.max() == 11


def test_videos_shorter_than_a_fragment_follow_the_policy() -> None:
    sampler = Fragments(4, num_clips=2, crop_size=32, short="repeat_last")
    assert sampler(info(2), None)[0].frames_NT.tolist() == [[0, 1, 1, 1]] * 2


def test_mini_patches_stand_in_the_middle_of_their_cells() -> None:
    """240 x 320 in 4 x 4 cells of 60 x 80, boxes of 32."""
    (view,) = Fragments(4, num_clips=2, grid=4, patch_size=32)(info(40), None)
    assert view.boxes_N4 is None
    assert view.mosaic_NG4 is not None
    expected = [[60 * r + 14, 80 * c + 24, 32, 32] for r in range(4) for c in range(4)]
    assert view.mosaic_NG4.tolist() == [expected] * 2


@pytest.mark.parametrize("aligned", [True, False])
def test_random_mini_patches_stay_in_their_cells(aligned: bool) -> None:
    sampler = Fragments(4, num_clips=3, grid=7, crop_size=224, aligned=aligned)
    generator = np.random.default_rng(0)
    drawn = []
    for _ in range(200):
        (view,) = sampler(info(40, 280, 350), generator)
        assert view.mosaic_NG4 is not None
        assert view.mosaic_NG4.shape == (3, 49, 4)
        same = (view.mosaic_NG4 == view.mosaic_NG4[:1]).all()
        assert same == aligned
        drawn.append(view.mosaic_NG4.reshape(3, 7, 7, 4))
    boxes = np.stack(drawn)  # cells of 40 x 50
    assert (boxes[..., 2:] == 32).all()
    offsets_y = boxes[..., 0] - np.arange(7)[:, None] * 40
    offsets_x = boxes[..., 1] - np.arange(7) * 50
    assert set(offsets_y.ravel().tolist()) == set(range(9))
    assert set(offsets_x.ravel().tolist()) == set(range(19))
    assert offsets_y[0, 0].std() > 0  # cells are drawn apart


def test_cells_agree_with_the_published_arithmetic_where_they_divide() -> None:
    """FAST-VQA: cell k begins at min(height // g * k, height - p)."""
    sampler = Fragments(4, num_clips=1, grid=7, patch_size=32)
    generator = np.random.default_rng(0)
    mosaics = [sampler(info(8, 7 * 36, 7 * 50), generator)[0].mosaic_NG4 for _ in range(300)]
    boxes = np.stack([mosaic for mosaic in mosaics if mosaic is not None])[:, 0]
    tops = boxes[..., 0].min(axis=0).reshape(7, 7)
    assert (tops == np.array([min(36 * k, 252 - 32) for k in range(7)])[:, None]).all()


def test_small_cells_overlap_and_small_frames_are_refused() -> None:
    (view,) = Fragments(4, num_clips=1, grid=4, patch_size=32)(info(8, 64, 96), None)
    assert view.mosaic_NG4 is not None
    assert sorted(set(view.mosaic_NG4[0, :, 0].tolist())) == [0, 8, 24, 32]
    with pytest.raises(UserError, match=r"24x96.*patch_size=32.*clip\.short_side=128"):
        Fragments(4, num_clips=1, grid=4, patch_size=32)(info(8, 24, 96), None)


def test_mistakes_are_named() -> None:
    with pytest.raises(UserError, match=r"crop_size=224 is no multiple of sampler\.grid=5"):
        Fragments(4, grid=5)
    with pytest.raises(UserError, match=r"views=2x3.*write views=2x1"):
        Fragments(4, grid=7, views="2x3")
    with pytest.raises(UserError, match=r"sampler\.grid=0"):
        Fragments(4, grid=0)
