"""UniFormer: local first, global then."""

from __future__ import annotations

import pytest
import torch

from stfw.models.encoders.uniformer import UniFormer
from stfw.types import UserError


@torch.no_grad()
def test_early_blocks_see_their_surroundings_and_late_ones_everything() -> None:
    torch.manual_seed(0)
    network = UniFormer(widths=(8, 16, 16, 16), depths=(1, 1, 1, 1), head_width=8).eval()
    for stage, reach in ((0, 3), (2, 11)):  # rows away: 2 of the convolution, 1 of the positions
        block = network.stages[stage][1][0]
        x_BDTHW = torch.randn(1, (8, 16)[stage > 0], 2, 12, 12)
        changed = x_BDTHW.clone()
        changed[:, :, 0, 0, 0] = torch.randn(x_BDTHW.shape[1])
        seen_HW = (block(x_BDTHW) - block(changed)).abs().amax(dim=(0, 1, 2)) > 0
        assert seen_HW.nonzero().amax(dim=0).tolist() == [reach, reach]


@torch.no_grad()
def test_time_is_halved_once_and_space_by_32() -> None:
    network = UniFormer(depths=(1, 1, 1, 1)).eval()
    assert network.maps(torch.randn(1, 3, 8, 64, 96)).shape == (1, 512, 4, 2, 3)


def test_a_clip_that_does_not_divide_is_named() -> None:
    with pytest.raises(UserError, match=r"8x56x56.*2x32x32"):
        UniFormer(depths=(1, 1, 1, 1))(torch.randn(1, 3, 8, 56, 56))
    with pytest.raises(ValueError, match="four of each"):
        UniFormer(depths=(1, 1))
