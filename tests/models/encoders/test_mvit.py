"""MViT: stages, and what a clip of another size meets."""

from __future__ import annotations

import pytest
import torch

from stfw.models.encoders.mvit import MViT
from stfw.types import UserError


def test_stages_halve_rows_and_columns_and_double_the_width() -> None:
    network = MViT(depth=4, stages=(1, 3), num_frames=4, crop_size=32).eval()
    grids, widths = [], []
    for block in network.net.blocks:
        block.register_forward_hook(lambda m, given, found: grids.append(found[1]))
        block.register_forward_hook(lambda m, given, found: widths.append(found[0].shape[2]))
    with torch.no_grad():
        assert network(torch.randn(1, 3, 4, 32, 32)).shape == (1, 1, 384)
    assert grids == [(2, 8, 8), (2, 4, 4), (2, 4, 4), (2, 2, 2)]
    assert widths == [96, 192, 192, 384]


def test_version_1_widens_in_the_block_before() -> None:
    network = MViT(
        version=1, widen_in="mlp", depth=4, stages=(1, 3), num_frames=4, crop_size=32
    ).eval()
    widths = []
    for block in network.net.blocks:
        block.register_forward_hook(lambda m, given, found: widths.append(found[0].shape[2]))
    with torch.no_grad():
        network(torch.randn(1, 3, 4, 32, 32))
    assert widths == [192, 192, 384, 384]
    assert network.net.pos_encoding.spatial_pos.shape == (64, 96)


def test_version_2_takes_clips_of_other_sizes_and_version_1_names_them() -> None:
    small = {"depth": 2, "stages": (1,), "num_frames": 4, "crop_size": 32}
    x_BCTHW = torch.randn(1, 3, 6, 48, 40)
    with torch.no_grad():
        assert MViT(version=2, **small).eval()(x_BCTHW).shape == (1, 1, 192)
    network = MViT(version=1, widen_in="mlp", **small)
    with pytest.raises(UserError, match=r"4x32x32, not 6x48x40.*encoder\.num_frames"):
        network(x_BCTHW)


def test_sizes_that_do_not_divide_are_refused_when_built() -> None:
    with pytest.raises(UserError, match=r"encoder\.num_frames=13"):
        MViT(num_frames=13)
    with pytest.raises(UserError, match=r"encoder\.crop_size=50"):
        MViT(crop_size=50)
