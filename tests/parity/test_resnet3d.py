"""The same weights give the same logits as PyTorchVideo's 3D ResNets."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from stfw.build import Build
from stfw.config import compose
from stfw.models.converters.resnet3d import from_pytorchvideo
from stfw.models.heads.linear import Linear
from tests.parity.reference import assert_equal_logits, pytorchvideo, randomise

DOUBLE = {"stem_conv_stride": (2, 2, 2), "stem_pool_stride": (2, 2, 2)}
# theirs, its settings, the preset and what is set upon it
NETWORKS: list[tuple[str, dict[str, Any], list[str]]] = [
    ("slow_r50", {}, ["model=slowonly_r50"]),
    ("i3d_r50", DOUBLE, ["model=i3d_r50"]),
    (
        "i3d_r50",
        {},
        ["model=i3d_r50", "encoder.stem_time_stride=1", "encoder.stem_pool_time_stride=1"],
    ),
    ("c2d_r50", {}, ["model=c2d_r50"]),
    ("r2plus1d_r50", {}, ["model=r2plus1d_r50"]),
]


@pytest.mark.parametrize(("name", "settings", "preset"), NETWORKS)
def test_logits_of_a_preset_are_those_of_pytorchvideo(
    name: str, settings: dict[str, Any], preset: list[str]
) -> None:
    hub = pytorchvideo("pytorchvideo.models.hub")
    build = getattr(hub, name)
    reference = randomise(
        build(model_num_class=7, head_pool=nn.AdaptiveAvgPool3d, head_activation=None, **settings)
    )
    encoder = Build()(compose("train", preset).cfg.encoder, in_channels=3)
    network = nn.ModuleDict({"encoder": encoder, "head": Linear(2048, 7)})
    network.load_state_dict(from_pytorchvideo(reference.state_dict()))
    network.eval()
    x_BCTHW = torch.randn(2, 3, 16, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        ours_BK = network["head"](network["encoder"](x_BCTHW)[:, 0])
        told = f"pytorchvideo {name} as {' '.join(preset)}"
        assert_equal_logits(ours_BK, reference(x_BCTHW), told)
