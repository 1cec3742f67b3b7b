"""3D ResNets of Hara et al.: how they shrink, and both shortcuts."""

from __future__ import annotations

import pytest
import torch

from stfw.models.encoders.resnet3d_hara import ResNet3dHara, ZeroPad


def test_stem_keeps_the_moments_unless_told_otherwise() -> None:
    with torch.device("meta"):
        x_BCTHW = torch.empty(1, 3, 32, 112, 112)
        encoder = ResNet3dHara(depth=18)
        assert encoder.net.stem[0](x_BCTHW).shape[2:] == (32, 56, 56)
        assert encoder.net.stem(x_BCTHW).shape[2:] == (16, 28, 28)
        assert encoder.maps(x_BCTHW).shape == (1, 512, 2, 4, 4)
        assert ResNet3dHara(depth=50, time_stride=2).maps(x_BCTHW).shape == (1, 2048, 1, 4, 4)


def test_shortcut_a_has_no_parameters_and_keeps_what_it_carries() -> None:
    x_BCTHW = torch.randn(1, 2, 4, 4, 4)
    padded = ZeroPad(5, 2)(x_BCTHW)
    assert padded.shape == (1, 5, 2, 2, 2)
    assert torch.equal(padded[:, :2], x_BCTHW[:, :, ::2, ::2, ::2])
    assert not padded[:, 2:].any()
    with torch.device("meta"):
        a, b = ResNet3dHara(depth=18, shortcut="A"), ResNet3dHara(depth=18)
    sizes = [sum(p.numel() for p in net.parameters()) for net in (a, b)]
    projections = 64 * 128 + 128 * 256 + 256 * 512 + 2 * (128 + 256 + 512)
    assert sizes[1] - sizes[0] == projections


def test_an_even_kernel_is_refused() -> None:
    with torch.device("meta"), pytest.raises(ValueError, match="time_kernel=4: must be odd"):
        ResNet3dHara(time_kernel=4)
