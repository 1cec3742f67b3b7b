"""The parts of a network, by the networks that people know."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from stfw.build import Build
from stfw.config import compose
from stfw.models.depth import part_of, parts


def encoder(*overrides: str) -> nn.Module:
    cfg = compose("train", list(overrides)).cfg
    with torch.device("meta"):
        return Build()(cfg.encoder, in_channels=3)


@pytest.mark.parametrize(
    ("overrides", "coarse", "fine"),
    [
        (["encoder=timm", "encoder.name=resnet50"], 5, 17),  # stem and 4 stages; 16 blocks
        (["encoder=timm", "encoder.name=vit_tiny_patch16_224"], 13, 13),  # patches and 12 blocks
        (["encoder=c3d"], 10, 10),  # 8 convolutions, fc6, fc7
        (["encoder=stconv"], 3, 3),
        (["encoder=resnet3d"], 5, 17),
        (["encoder=slowfast"], 5, 5),  # both paths side by side
    ],
    ids=lambda value: "_".join(value) if isinstance(value, list) else "",
)
def test_parts_are_the_stages_that_people_count(
    overrides: list[str], coarse: int, fine: int
) -> None:
    network = encoder(*overrides)
    assert (len(parts(network)), len(parts(network, fine=True))) == (coarse, fine)


def test_every_parameter_belongs_to_a_part_and_depth_never_falls() -> None:
    for overrides in (["encoder=resnet3d"], ["encoder=c3d"], ["encoder=timm"]):
        network = encoder(*overrides)
        numbers = [part_of(n, parts(network, fine=True)) for n, _ in network.named_parameters()]
        assert numbers == sorted(numbers)
        assert set(numbers) == set(range(len(parts(network, fine=True))))


def test_tokens_and_positions_go_with_the_patches_and_the_last_norm_with_the_last_block() -> None:
    by_part = parts(encoder("encoder=timm", "encoder.name=vit_tiny_patch16_224"))
    assert part_of("net.cls_token", by_part) == part_of("net.pos_embed", by_part) == 0
    assert part_of("net.blocks.3.attn.qkv.weight", by_part) == 4
    assert part_of("net.norm.weight", by_part) == 12


def test_an_encoder_may_say_its_parts_itself() -> None:
    network = nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1))
    network.depth_parts = [["1"], ["0"]]
    assert part_of("0.weight", parts(network)) == 1
