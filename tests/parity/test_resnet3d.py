"""The same weights give the same logits as PyTorchVideo's 3D ResNets."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from stfw.models.converters.resnet3d import from_pytorchvideo
from stfw.models.encoders.resnet3d import ResNet3D
from stfw.models.heads.linear import Linear
from tests.parity.reference import assert_equal_logits, pytorchvideo, randomise

FLAT: dict[str, Any] = {"stem_time_stride": 1, "stem_pool_time_stride": 1}
SLOW: dict[str, Any] = {**FLAT, "stem_time_kernel": 1, "time_pool": False}
NETWORKS: dict[str, dict[str, Any]] = {
    "slow_r50": {**SLOW, "time_kernels": ((1,), (1,), (3,), (3,))},
    "i3d_r50": FLAT,
    "c2d_r50": {**FLAT, "stem_time_kernel": 1, "time_kernels": ((1,),) * 4},
    "r2plus1d_r50": {
        **SLOW,
        "stem_pool": False,
        "time_kernels": ((3,),) * 4,
        "middle": "2plus1",
        "time_strides": (1, 1, 2, 2),
        "space_strides": (2, 2, 2, 2),
    },
}


@pytest.mark.parametrize("name", NETWORKS)
def test_logits_are_those_of_pytorchvideo(name: str) -> None:
    hub = pytorchvideo("pytorchvideo.models.hub")
    reference = randomise(
        getattr(hub, name)(model_num_class=7, head_pool=nn.AdaptiveAvgPool3d, head_activation=None)
    )
    network = nn.ModuleDict({"encoder": ResNet3D(**NETWORKS[name]), "head": Linear(2048, 7)})
    network.load_state_dict(from_pytorchvideo(reference.state_dict()))
    network.eval()
    x_BCTHW = torch.randn(2, 3, 8, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        ours_BK = network["head"](network["encoder"](x_BCTHW)[:, 0])
        assert_equal_logits(ours_BK, reference(x_BCTHW), f"pytorchvideo {name}")
