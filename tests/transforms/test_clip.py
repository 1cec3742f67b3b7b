"""Transforms on pixels that know their own place."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from stfw.transforms.clip import (
    CenterCrop,
    HorizontalFlip,
    MultiScaleCrop,
    RandomCrop,
    RandomResizedCrop,
    RandomRotation,
    RandomShortSide,
)
from stfw.types import UserError


def coordinates(N: int = 2, T: int = 3, H: int = 20, W: int = 30) -> torch.Tensor:
    """Channel 0 holds the frame's number, 1 the row, 2 the column."""
    t, y, x = torch.meshgrid(torch.arange(T), torch.arange(H), torch.arange(W), indexing="ij")
    return torch.stack([t, y, x]).to(torch.uint8).expand(N, 3, T, H, W).clone()


def test_random_crop_is_one_box_for_all_frames_and_clips() -> None:
    generator = np.random.default_rng(1)
    corners = set()
    for _ in range(50):
        x_NCTHW = RandomCrop(16)(coordinates(), generator, "rgb")
        assert x_NCTHW.shape == (2, 3, 3, 16, 16)
        assert (x_NCTHW[:, 1:] == x_NCTHW[:1, 1:, :1]).all()
        corners.add((int(x_NCTHW[0, 1, 0, 0, 0]), int(x_NCTHW[0, 2, 0, 0, 0])))
    assert {top for top, _ in corners} == {0, 1, 2, 3, 4}
    assert max(left for _, left in corners) == 14


def test_centre_crop_takes_the_middle() -> None:
    x_NCTHW = CenterCrop(10)(coordinates(), np.random.default_rng(0), "rgb")
    assert int(x_NCTHW[0, 1, 0, 0, 0]) == 5
    assert int(x_NCTHW[0, 2, 0, 0, 0]) == 10


def test_resized_crop_of_everything_is_a_plain_resize() -> None:
    x_NCTHW = RandomResizedCrop(15, 1.0, 1.0, 1.0)(
        coordinates(H=30, W=30), np.random.default_rng(0), "rgb"
    )
    assert x_NCTHW.shape == (2, 3, 3, 15, 15)
    assert x_NCTHW.dtype == torch.uint8
    assert abs(int(x_NCTHW[0, 2, 0, 7, 7]) - 14) <= 1
    assert (x_NCTHW[:, 0] == torch.arange(3).view(1, 3, 1, 1)).all()


def test_resized_crop_keeps_within_its_scale() -> None:
    generator = np.random.default_rng(0)
    for _ in range(30):
        x_NCTHW = RandomResizedCrop(20, 0.25, 0.25, 1.0)(coordinates(H=40, W=40), generator, "rgb")
        columns = x_NCTHW[0, 2, 0, 0].int()
        assert 17 <= int(columns[-1] - columns[0]) <= 20  # a quarter of the area: 20 of 40 columns


def test_flip_mirrors_columns_only() -> None:
    x_NCTHW = coordinates()
    flipped = HorizontalFlip(1.0)(x_NCTHW, np.random.default_rng(0), "rgb")
    assert (flipped[:, 2] == 29 - x_NCTHW[:, 2]).all()
    assert (flipped[:, :2] == x_NCTHW[:, :2]).all()
    assert (HorizontalFlip(0.0)(x_NCTHW, np.random.default_rng(0), "rgb") == x_NCTHW).all()


def test_flip_turns_the_x_of_flow_round() -> None:
    flow_NCTHW = coordinates()[:, 1:]  # x 0..19 by row, y 0..29 by column
    flipped = HorizontalFlip(1.0)(flow_NCTHW, np.random.default_rng(0), "flow")
    assert (flipped[:, 0] == 255 - flow_NCTHW[:, 0].flip(-1)).all()
    assert (flipped[:, 1] == flow_NCTHW[:, 1].flip(-1)).all()


def test_multi_scale_crop_takes_boxes_of_the_list_at_corners_or_centre() -> None:
    generator = np.random.default_rng(0)
    seen = set()
    for _ in range(200):
        x_NCTHW = MultiScaleCrop(20, scales=(1.0, 0.5))(coordinates(H=20, W=20), generator, "rgb")
        assert x_NCTHW.shape[-2:] == (20, 20)
        rows, columns = x_NCTHW[0, 1, 0, :, 0].int(), x_NCTHW[0, 2, 0, 0].int()
        seen.add((int(rows[0]), int(rows[-1]), int(columns[0]), int(columns[-1])))
    heights = {bottom - top for top, bottom, _, _ in seen}
    assert heights == {19, 9}  # all 20 rows, or 10 of them
    assert {top for top, bottom, _, _ in seen if bottom - top == 9} == {0, 5, 10}


def test_short_side_is_drawn_and_the_shape_kept() -> None:
    generator = np.random.default_rng(0)
    sizes = {
        tuple(RandomShortSide(8, 16)(coordinates(H=20, W=30), generator, "rgb").shape[-2:])
        for _ in range(100)
    }
    assert {height for height, _ in sizes} == set(range(8, 17))
    assert all(abs(width - 1.5 * height) <= 0.5 for height, width in sizes)


def test_rotation_turns_pictures_and_the_vectors_of_flow() -> None:
    class Always:
        def uniform(self, low: float, high: float) -> float:
            return 90.0

    flow_NCTHW = torch.full((1, 2, 1, 8, 8), 128, dtype=torch.uint8)
    flow_NCTHW[:, 0] = 227  # about 100 to the right
    turned = RandomRotation(90)(flow_NCTHW, Always(), "flow")  # type: ignore[arg-type]
    assert int(turned[0, 0, 0, 4, 4]) in (127, 128)
    assert int(turned[0, 1, 0, 4, 4]) == 28  # up: y points down
    x_NCTHW = coordinates(N=1, T=1, H=8, W=8)
    turned = RandomRotation(90)(x_NCTHW, Always(), "rgb")  # type: ignore[arg-type]
    assert (turned[0, :, 0] == torch.rot90(x_NCTHW[0, :, 0], 1, (1, 2))).all()


def test_a_turned_border_makes_no_motion_of_its_own() -> None:
    still_NCTHW = torch.full((1, 2, 1, 24, 32), 128, dtype=torch.uint8)
    turned = RandomRotation(15)(still_NCTHW, np.random.default_rng(0), "flow")
    assert int(turned.min()) >= 127
    assert int(turned.max()) <= 128


def test_mistakes_are_named() -> None:
    with pytest.raises(UserError, match=r"flip\.prob=2"):
        HorizontalFlip(2.0)
    with pytest.raises(UserError, match="crop of 25 does not fit into frames of 20x30"):
        RandomCrop(25)(coordinates(), np.random.default_rng(0), "rgb")
    with pytest.raises(UserError, match="min_scale=0"):
        RandomResizedCrop(10, min_scale=0.0)
