"""Boxes of the test protocol."""

from __future__ import annotations

import numpy as np
import pytest

from stfw.sampling.crops import Crops, regular_boxes
from stfw.types import UserError, VideoInfo

FRAMES_VNT = np.arange(2 * 1 * 3).reshape(2, 1, 3)


def test_five_boxes_of_ten_crops_are_corners_and_centre() -> None:
    boxes = regular_boxes(128, 171, 112, 10)
    corners = [[0, 0], [0, 59], [16, 0], [16, 59]]
    assert boxes[:, :2].tolist() == [*corners, [8, 30]]
    assert (boxes[:, 2:] == 112).all()


def test_ten_crops_are_five_boxes_and_their_mirrors_moment_by_moment() -> None:
    views = Crops(128, 112, 10).views(FRAMES_VNT, VideoInfo("a.mp4", 6, 25.0, 240, 320))
    assert len(views) == 20
    assert [view.flip for view in views] == ([False] * 5 + [True] * 5) * 2
    boxes = np.stack([view.boxes_N4[0] for view in views if view.boxes_N4 is not None])
    np.testing.assert_array_equal(boxes[:5], boxes[5:10])
    assert [view.frames_NT[0, 0] for view in views] == [0] * 10 + [3] * 10


@pytest.mark.parametrize("num_crops", [1, 3])
def test_fewer_crops_are_not_mirrored(num_crops: int) -> None:
    views = Crops(None, 32, num_crops).views(FRAMES_VNT, VideoInfo("a.mp4", 6, 25.0, 48, 64))
    assert len(views) == 2 * num_crops
    assert not any(view.flip for view in views)


def test_crops_that_do_not_fit_are_named() -> None:
    with pytest.raises(UserError, match=r"crop_size=112.*short_side=100"):
        Crops(100, 112, 1)
    with pytest.raises(UserError, match=r"a\.mp4: frames of 48x64.*crop_size=50"):
        Crops(None, 50, 1).views(FRAMES_VNT, VideoInfo("a.mp4", 6, 25.0, 48, 64))
