"""X3D is its expansion rules."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from stfw.models.encoders.x3d import X3D, SqueezeExcitation, round_width


@pytest.mark.parametrize(
    ("depth", "num_blocks"), [(2.2, [3, 5, 11, 7]), (5.0, [5, 10, 25, 15]), (1.0, [1, 2, 5, 3])]
)
def test_depth_and_width_expand_as_published(depth: float, num_blocks: list[int]) -> None:
    with torch.device("meta"):
        stages = X3D(depth=depth).stages
    assert [len(blocks) for blocks in stages] == num_blocks  # type: ignore[arg-type]
    outside = [blocks[-1].c.conv.out_channels for blocks in stages]  # type: ignore[index]
    inside = [blocks[-1].b.conv.out_channels for blocks in stages]  # type: ignore[index]
    assert outside == [24, 48, 96, 192]
    assert inside == [54, 108, 216, 432]


def test_widths_are_multiples_of_eight() -> None:
    assert [round_width(w) for w in (3.4, 6.75, 13.5, 27.0, 24.0, 20.0)] == [8, 8, 16, 32, 24, 24]


def test_every_second_block_squeezes() -> None:
    with torch.device("meta"):
        stages = X3D().stages
        none = [m for m in X3D(se_ratio=0).modules() if isinstance(m, SqueezeExcitation)]
    for blocks in stages:
        found = [isinstance(block.se, SqueezeExcitation) for block in blocks]  # type: ignore[union-attr]
        assert found == [i % 2 == 0 for i in range(len(found))]
    assert not none


def test_only_the_stem_and_1x1x1_convolutions_mix_channels() -> None:
    with torch.device("meta"):
        encoder = X3D()
    for name, module in encoder.named_modules():
        if isinstance(module, nn.Conv3d) and module.kernel_size != (1, 1, 1):
            assert module.groups == module.in_channels or name == "stem_space"


def test_time_is_never_halved_and_space_five_times() -> None:
    with torch.device("meta"):
        encoder = X3D()
        assert encoder.maps(torch.empty(1, 3, 13, 160, 160)).shape == (1, 432, 13, 5, 5)
        assert encoder(torch.empty(2, 3, 4, 160, 160)).shape == (2, 1, 2048)


def test_first_shortcut_norm_adds_one_batch_norm() -> None:
    with torch.device("meta"):
        counts = [
            sum(p.numel() for p in X3D(first_shortcut_norm=norm).parameters())
            for norm in (False, True)
        ]
    assert counts[1] - counts[0] == 48


def test_squeeze_excitation_weighs_channels_by_the_whole_clip() -> None:
    torch.manual_seed(0)
    part = SqueezeExcitation(8, 8)
    x_BCTHW = torch.rand(1, 8, 2, 3, 3) + 0.5
    changed = x_BCTHW.clone()
    changed[:, :, 1, 2, 2] += 5
    with torch.no_grad():
        weights, after = part(x_BCTHW) / x_BCTHW, part(changed) / changed
    assert torch.allclose(weights, weights[:, :, :1, :1, :1].expand_as(weights), atol=1e-5)
    assert not torch.allclose(weights[:, :, 0, 0, 0], after[:, :, 0, 0, 0], atol=1e-4)
