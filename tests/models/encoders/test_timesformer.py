"""TimeSformer: who looks at whom."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from stfw.models.encoders.timesformer import DividedBlock, TimeSformer
from stfw.types import UserError


def _small(attention: Any) -> TimeSformer:
    torch.manual_seed(0)
    return TimeSformer(
        attention=attention, width=48, depth=2, num_heads=3, num_frames=4, crop_size=32
    ).eval()


@torch.no_grad()
def test_divided_attention_looks_along_time_at_one_place_then_across_one_frame() -> None:
    torch.manual_seed(0)
    block = DividedBlock(12, 3).eval()
    tokens_BTPD = torch.randn(1, 3, 4, 12)
    class_B1D = torch.randn(1, 1, 12)

    def patches(tokens_BTPD: torch.Tensor) -> torch.Tensor:
        x_BSD = torch.cat([class_B1D, tokens_BTPD.flatten(1, 2)], dim=1)
        return block(x_BSD, 3)[:, 1:].unflatten(1, (3, 4))

    changed = tokens_BTPD.clone()
    changed[0, 1, 2] = torch.randn(12)  # frame 1, place 2
    block.time_fc.weight.zero_()  # without time, no other frame hears of it
    seen_TP = (patches(changed) - patches(tokens_BTPD)).abs().amax(dim=3)[0] > 1e-6
    assert seen_TP.tolist() == [[False] * 4, [True] * 4, [False] * 4]
    torch.nn.init.normal_(block.time_fc.weight)
    block.attn.proj.weight.zero_()  # without space, no other place does
    seen_TP = (patches(changed) - patches(tokens_BTPD)).abs().amax(dim=3)[0] > 1e-6
    assert seen_TP.tolist() == [[False, False, True, False]] * 3


@pytest.mark.parametrize(
    ("attention", "knows_order"), [("divided", True), ("joint", True), ("space", False)]
)
@torch.no_grad()
def test_space_alone_does_not_know_the_order_of_frames(attention: str, knows_order: bool) -> None:
    network = _small(attention)
    for parameter in network.parameters():  # time begins at 0
        parameter += 0.05 * torch.randn_like(parameter)
    x_BCTHW = torch.randn(1, 3, 4, 32, 32)
    feature, reversed_ = network(x_BCTHW), network(x_BCTHW.flip(2))
    assert torch.allclose(feature, reversed_, atol=1e-5) is not knows_order


@pytest.mark.parametrize("attention", ["divided", "joint", "space"])
@torch.no_grad()
def test_other_clips_than_positions_were_learned_for_are_taken(attention: str) -> None:
    assert _small(attention)(torch.randn(1, 3, 6, 48, 64)).shape == (1, 1, 48)


def test_a_crop_that_does_not_divide_is_refused_when_built() -> None:
    with pytest.raises(UserError, match="8x100x100"):
        TimeSformer(crop_size=100)


@torch.no_grad()
def test_time_begins_as_a_pass_through_but_in_the_first_block() -> None:
    blocks = _small("divided").blocks
    assert blocks[0].time_fc.weight.any()
    assert not blocks[1].time_fc.weight.any()
