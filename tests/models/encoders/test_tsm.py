"""Temporal shift: what moves where, and that it stays within a clip."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from stfw.models.encoders.timm import Timm
from stfw.models.encoders.tsm import OverClip, Shifted, Tsm, shift
from stfw.types import UserError
from tests.parity.reference import randomise


def test_a_fold_moves_back_a_fold_moves_ahead_and_the_rest_stays() -> None:
    # two clips of three frames; eight channels, so that a fold of 1/8 is one channel
    x_FCHW = torch.arange(1.0, 7.0).reshape(6, 1, 1, 1).expand(6, 8, 1, 1)
    shifted = shift(x_FCHW, num_frames=3, fold_div=8)[:, :, 0, 0]
    assert shifted[:, 0].tolist() == [2, 3, 0, 5, 6, 0]  # from the frame after
    assert shifted[:, 1].tolist() == [0, 1, 2, 0, 4, 5]  # from the frame before
    for channel in range(2, 8):
        assert shifted[:, channel].tolist() == [1, 2, 3, 4, 5, 6]


def test_it_costs_no_parameters_and_sees_the_order_of_frames() -> None:
    # random norms: fresh residual branches end in zeros, and nobody would see what they do
    encoder, plain = randomise(Tsm("resnet18")), randomise(Timm("resnet18"))
    count = [sum(p.numel() for p in net.parameters()) for net in (encoder, plain)]
    assert count[0] == count[1]
    x_BCTHW = torch.randn(1, 3, 4, 32, 32)
    with torch.no_grad():
        forwards, backwards = encoder(x_BCTHW), encoder(x_BCTHW.flip(2))
        assert forwards.shape == (1, 4, 512)
        assert not torch.allclose(forwards.mean(dim=1), backwards.mean(dim=1), atol=1e-3)
        mean, mean_backwards = plain(x_BCTHW).mean(dim=1), plain(x_BCTHW.flip(2)).mean(dim=1)
        assert torch.allclose(mean, mean_backwards, atol=1e-5)


@pytest.mark.parametrize(("name", "count"), [("resnet50", 16), ("resnet101", 2 + 2 + 12 + 2)])
def test_long_networks_shift_in_every_second_block(name: str, count: int) -> None:
    with torch.device("meta"):
        encoder = Tsm(name)
    assert sum(isinstance(module, Shifted) for module in encoder.modules()) == count


def test_five_non_local_blocks_look_over_the_clip() -> None:
    with torch.device("meta"):
        encoder = Tsm("resnet50", non_local="gaussian")
    places = [n for n, m in encoder.net.named_modules() if isinstance(m, OverClip)]
    assert places == ["layer2.0.1", "layer2.2.1", "layer3.0.1", "layer3.2.1", "layer3.4.1"]

    class MeanOverTime(nn.Module):
        def forward(self, x_BCTHW: torch.Tensor) -> torch.Tensor:
            return x_BCTHW.mean(dim=2, keepdim=True).expand_as(x_BCTHW)

    layer = OverClip(MeanOverTime())
    layer.num_frames = 3
    x_FCHW = torch.arange(6.0).reshape(6, 1, 1, 1)
    assert layer(x_FCHW).flatten().tolist() == [1, 1, 1, 4, 4, 4]


def test_only_resnets_are_taken() -> None:
    with pytest.raises(UserError, match=r"encoder\.name=vit_tiny_patch16_224.*resnet50"):
        Tsm("vit_tiny_patch16_224")
