"""Colours change alike in all frames, and in RGB alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from stfw.transforms.colour import (
    AugMix,
    ColourJitter,
    Grayscale,
    RandAugment,
    RandomErasing,
    TrivialAugment,
)
from stfw.types import UserError

STEPS = [
    ColourJitter(),
    Grayscale(1.0),
    RandAugment(2, 9),
    TrivialAugment(),
    AugMix(),
    RandomErasing(1.0),
]
IDS = [type(step).__name__ for step in STEPS]


def still_video() -> torch.Tensor:
    """Two clips of four frames that are all the same picture."""
    picture = torch.randint(0, 256, (3, 24, 32), generator=torch.Generator().manual_seed(0))
    return picture.to(torch.uint8)[None, :, None].expand(2, 3, 4, 24, 32).clone()


@pytest.mark.parametrize("step", STEPS, ids=IDS)
def test_frames_and_clips_of_a_view_change_alike(step: object) -> None:
    x_NCTHW = still_video()
    changed = 0
    for seed in range(8):
        out = step(x_NCTHW, np.random.default_rng(seed), "rgb")  # type: ignore[operator]
        assert out.shape == x_NCTHW.shape
        assert out.dtype == torch.uint8
        assert (out == out[:1, :, :1]).all()  # a still video stays still
        changed += not torch.equal(out, x_NCTHW)
        again = step(x_NCTHW, np.random.default_rng(seed), "rgb")  # type: ignore[operator]
        assert torch.equal(out, again)
    assert changed >= 4


@pytest.mark.parametrize("step", STEPS, ids=IDS)
def test_motion_is_left_as_it_is(step: object) -> None:
    flow_NCTHW = still_video()[:, :2]
    out = step(flow_NCTHW, np.random.default_rng(0), "flow")  # type: ignore[operator]
    assert torch.equal(out, flow_NCTHW)


def test_gray_has_three_equal_channels() -> None:
    out = Grayscale(1.0)(still_video(), np.random.default_rng(0), "rgb")
    assert (out == out[:, :1]).all()


def test_erasing_covers_a_box_of_the_asked_area() -> None:
    x_NCTHW = torch.zeros(1, 3, 2, 40, 40, dtype=torch.uint8)
    for seed in range(20):
        out = RandomErasing(1.0, 0.1, 0.1)(x_NCTHW, np.random.default_rng(seed), "rgb")
        covered = (out[0, :, 0] > 0).any(0)  # noise is 0 in all channels once in 16 million
        assert 0.08 * 1600 <= int(covered.sum()) <= 0.12 * 1600
        rows, columns = covered.any(1).sum(), covered.any(0).sum()
        assert rows * columns == covered.sum()  # a box


def test_mistakes_are_named() -> None:
    with pytest.raises(UserError, match="prob=2"):
        Grayscale(2.0)
    with pytest.raises(UserError, match="max_area"):
        RandomErasing(min_area=0.5, max_area=0.2)
