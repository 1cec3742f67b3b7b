"""Smaller clips that show the same."""

from __future__ import annotations

import numpy as np
import torch

from stfw.transforms.shrink import Shrink


def test_sides_shrink_by_the_factor_and_the_picture_stays() -> None:
    ramp = torch.arange(0, 160, 4, dtype=torch.uint8).expand(2, 3, 5, 24, 40)  # N C T H W
    small = Shrink(0.5)(ramp, np.random.default_rng(0), "rgb")
    assert small.shape == (2, 3, 5, 12, 20)
    assert small.dtype == torch.uint8
    assert (small[0, 0, 0, 0, 1:-1].int() - ramp[0, 0, 0, 0, 2:-2:2].int()).abs().max() <= 3
    assert Shrink(0.5**0.5)(ramp, np.random.default_rng(0), "rgb").shape[-2:] == (17, 28)
