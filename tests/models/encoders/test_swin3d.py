"""Swin3D: windows that shift, patches that merge."""

from __future__ import annotations

import pytest
import torch

from stfw.models.encoders.swin3d import Swin3D


def _small(depths: tuple[int, ...]) -> Swin3D:
    torch.manual_seed(0)
    return Swin3D(width=24, depths=depths, num_heads=(1, 2)[: len(depths)], window=(2, 2, 2)).eval()


@torch.no_grad()
def test_only_shifted_windows_see_across_their_borders() -> None:
    x_BCTHW = torch.randn(1, 3, 4, 32, 32)  # 2 x 8 x 8 patches, windows of 2 x 2 x 2
    changed = x_BCTHW.clone()
    changed[..., :4, :4] += 1  # the first row and column, at both moments
    net = _small((2, 1)).net
    stage = net.features[0]
    tokens, other = net.patch_embed(x_BCTHW), net.patch_embed(changed)
    seen_HW = (stage[0](tokens) - stage[0](other)).abs().amax(dim=(0, 1, 4)) > 1e-6
    assert seen_HW.nonzero().amax(dim=0).tolist() == [1, 1]  # its own window
    seen_HW = (stage(tokens) - stage(other)).abs().amax(dim=(0, 1, 4)) > 1e-6
    assert seen_HW.nonzero().amax(dim=0).tolist() == [2, 2]  # and those that overlap it


@torch.no_grad()
def test_maps_halve_between_stages_and_pool_is_their_mean() -> None:
    network = _small((1, 1))
    maps_BDTHW = network.maps(torch.randn(2, 3, 4, 32, 48))
    assert maps_BDTHW.shape == (2, 48, 2, 4, 6)
    assert torch.allclose(network.pool(maps_BDTHW)[:, 0], maps_BDTHW.mean(dim=(2, 3, 4)))


@torch.no_grad()
def test_clips_of_any_size_are_padded() -> None:
    assert _small((2, 2))(torch.randn(1, 3, 5, 37, 51)).shape == (1, 1, 48)


def test_depths_and_heads_are_of_the_same_stages() -> None:
    with pytest.raises(ValueError, match="3 depths but 4 num_heads"):
        Swin3D(depths=(1, 1, 1))
