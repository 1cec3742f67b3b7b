"""Transforms on pixels that know their own place."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from stfw.transforms.clip import CenterCrop, HorizontalFlip, Pipeline, RandomCrop, RandomResizedCrop
from stfw.types import UserError


def coordinates(N: int = 2, T: int = 3, H: int = 20, W: int = 30) -> torch.Tensor:
    """Channel 0 holds the frame's number, 1 the row, 2 the column."""
    t, y, x = torch.meshgrid(torch.arange(T), torch.arange(H), torch.arange(W), indexing="ij")
    return torch.stack([t, y, x]).to(torch.uint8).expand(N, 3, T, H, W).clone()


def test_random_crop_is_one_box_for_all_frames_and_clips() -> None:
    generator = np.random.default_rng(1)
    corners = set()
    for _ in range(50):
        x_NCTHW = RandomCrop(16)(coordinates(), generator)
        assert x_NCTHW.shape == (2, 3, 3, 16, 16)
        assert (x_NCTHW[:, 1:] == x_NCTHW[:1, 1:, :1]).all()
        corners.add((int(x_NCTHW[0, 1, 0, 0, 0]), int(x_NCTHW[0, 2, 0, 0, 0])))
    assert {top for top, _ in corners} == {0, 1, 2, 3, 4}
    assert max(left for _, left in corners) == 14


def test_centre_crop_takes_the_middle() -> None:
    x_NCTHW = CenterCrop(10)(coordinates(), np.random.default_rng(0))
    assert int(x_NCTHW[0, 1, 0, 0, 0]) == 5
    assert int(x_NCTHW[0, 2, 0, 0, 0]) == 10


def test_resized_crop_of_everything_is_a_plain_resize() -> None:
    x_NCTHW = RandomResizedCrop(15, 1.0, 1.0, 1.0)(
        coordinates(H=30, W=30), np.random.default_rng(0)
    )
    assert x_NCTHW.shape == (2, 3, 3, 15, 15)
    assert x_NCTHW.dtype == torch.uint8
    assert abs(int(x_NCTHW[0, 2, 0, 7, 7]) - 14) <= 1
    assert (x_NCTHW[:, 0] == torch.arange(3).view(1, 3, 1, 1)).all()


def test_resized_crop_keeps_within_its_scale() -> None:
    generator = np.random.default_rng(0)
    for _ in range(30):
        x_NCTHW = RandomResizedCrop(20, 0.25, 0.25, 1.0)(coordinates(H=40, W=40), generator)
        columns = x_NCTHW[0, 2, 0, 0].int()
        assert 17 <= int(columns[-1] - columns[0]) <= 20  # a quarter of the area: 20 of 40 columns


def test_flip_mirrors_columns_only() -> None:
    x_NCTHW = coordinates()
    flipped = HorizontalFlip(1.0)(x_NCTHW, np.random.default_rng(0))
    assert (flipped[:, 2] == 29 - x_NCTHW[:, 2]).all()
    assert (flipped[:, :2] == x_NCTHW[:, :2]).all()
    assert (HorizontalFlip(0.0)(x_NCTHW, np.random.default_rng(0)) == x_NCTHW).all()


def test_a_step_set_to_null_is_left_out() -> None:
    pipeline = Pipeline({"crop": CenterCrop(10), "flip": None})
    assert pipeline(coordinates(), np.random.default_rng(0)).shape[-1] == 10


def test_mistakes_are_named() -> None:
    with pytest.raises(UserError, match=r"flip\.prob=2"):
        HorizontalFlip(2.0)
    with pytest.raises(UserError, match="crop of 25 does not fit into frames of 20x30"):
        RandomCrop(25)(coordinates(), np.random.default_rng(0))
    with pytest.raises(UserError, match="min_scale=0"):
        RandomResizedCrop(10, min_scale=0.0)
