"""A reference's file, imported at the command line, gives the reference's logits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

import stfw as package
from tests.parity.reference import assert_equal_logits, pytorchvideo, randomise

SMALL = ["clip.num_frames=8", "clip.short_side=64", "clip.crop_size=64"]
FLAT = ["encoder.stem_time_stride=1", "encoder.stem_pool_time_stride=1"]
Call = Callable[..., tuple[int, str, str]]


def resnet(name: str) -> nn.Module:
    hub = pytorchvideo("pytorchvideo.models.hub")
    build = getattr(hub, name)
    return build(model_num_class=7, head_pool=nn.AdaptiveAvgPool3d, head_activation=None)


def csn(name: str) -> nn.Module:
    models = pytorchvideo("pytorchvideo.models.csn")
    return models.create_csn(
        model_depth=50,
        model_num_class=7,
        stem_pool=nn.MaxPool3d,
        head_pool=nn.AdaptiveAvgPool3d,
        head_activation=None,
    )


@pytest.mark.parametrize(
    ("build", "name", "preset", "missing"),
    [
        (resnet, "i3d_r50", "i3d_r50", FLAT),
        (resnet, "c2d_r50", "c2d_r50", []),
        (resnet, "slow_r50", "slowonly_r50", []),
        (resnet, "r2plus1d_r50", "r2plus1d_r50", []),
        (csn, "csn_r50", "csn_ir50", ["encoder.bn_eps=1e-05"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_missing_is_asked_for_and_then_the_logits_are_equal(
    build: Callable[[str], nn.Module],
    name: str,
    preset: str,
    missing: list[str],
    stfw: Call,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    reference = randomise(build(name))
    torch.save({"model_state": reference.state_dict()}, "theirs.pyth")
    words = ["weights", "import", "theirs.pyth", f"as={preset}", "out=ours.safetensors", "--"]
    if missing:
        status, _, told = stfw(*words, *SMALL)
        assert status == 2
        assert f"add after --: {' '.join(missing)} (PyTorchVideo's" in told
        assert not Path("ours.safetensors").exists()
    status, _, told = stfw(*words, *SMALL, *missing)
    assert status == 0, told
    model = package.load("ours.safetensors")
    pixels_BTVCTHW = torch.randint(0, 256, (2, 1, 1, 3, 8, 64, 64), dtype=torch.uint8)
    x_BCTHW = (pixels_BTVCTHW[:, 0, 0] / 255 - 0.45) / 0.225
    batch = {"rgb": pixels_BTVCTHW, "present": {"rgb": torch.ones(2, dtype=torch.bool)}}
    batch["weights"] = torch.ones(2, 1, 1)
    with torch.no_grad():
        ours_BK = model.network(model.batch_transform(batch))[:, 0]
        assert_equal_logits(ours_BK, reference(x_BCTHW), f"pytorchvideo {name}")
