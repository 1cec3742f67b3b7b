"""MViT gives the logits of torchvision's and PyTorchVideo's, weights converted."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from stfw.models.convert import convert
from stfw.models.converters.mvit import (
    from_mmaction,
    from_pytorchvideo,
    from_slowfast,
    from_torchvision,
)
from stfw.models.encoders.mvit import MViT
from stfw.models.heads.linear import Linear
from tests.parity.reference import assert_equal_logits, needs, pytorchvideo, randomise


def _ours(state: dict[str, torch.Tensor], encoder: MViT) -> torch.nn.Module:
    head = Linear(encoder.num_features, 7)
    network = torch.nn.ModuleDict({"encoder": encoder, "head": head}).eval()
    network.load_state_dict(state)
    return network


def _logits(network: torch.nn.Module, x_BCTHW: torch.Tensor) -> torch.Tensor:
    return network["head"](network["encoder"](x_BCTHW)[:, 0])


@pytest.mark.parametrize(
    ("name", "settings"),
    [("mvit_v1_b", {"version": 1, "widen_in": "mlp"}), ("mvit_v2_s", {})],
)
@torch.no_grad()
def test_logits_are_those_of_torchvision(
    name: str, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    video = needs("torchvision.models.video.mvit")
    build = video._mvit  # their settings of each block, but not their 16 x 224 x 224
    small = {"spatial_size": (64, 64), "temporal_size": 4}
    monkeypatch.setattr(video, "_mvit", lambda **settings: build(**{**settings, **small}))
    theirs = randomise(getattr(video, name)(num_classes=7))
    encoder = MViT(num_frames=4, crop_size=64, **settings)
    ours = _ours(from_torchvision(theirs.state_dict()), encoder)
    x_BCTHW = torch.randn(1, 3, 4, 64, 64)
    expected_BK = theirs(x_BCTHW)
    assert_equal_logits(_logits(ours, x_BCTHW), expected_BK, f"torchvision {name}")


@torch.no_grad()
def test_logits_are_those_of_pytorchvideo() -> None:
    hub = pytorchvideo("pytorchvideo.models.hub")
    theirs = hub.mvit_base_16x4(
        spatial_size=64,
        temporal_size=4,
        head_num_classes=7,
        head_activation=None,
        dropout_rate_block=0.0,
    )
    theirs = randomise(theirs)
    encoder = MViT(version=1, widen_in="mlp", num_frames=4, crop_size=64)
    ours = _ours(from_pytorchvideo(theirs.state_dict()), encoder)
    x_BCTHW = torch.randn(1, 3, 4, 64, 64)
    assert_equal_logits(
        _logits(ours, x_BCTHW), theirs(x_BCTHW), "pytorchvideo 0.1.5 mvit_base_16x4"
    )
    assert convert(theirs.state_dict(), "mvit", lambda _: ours).source == "pytorchvideo"


SLOWFAST = {
    "head.fc.": "head.projection.",
    "encoder.net.": "",
    "conv_proj.": "patch_embed.proj.",
    "pos_encoding.class_token": "cls_token",
    ".project.0.": ".proj.",
    ".project.": ".proj.",
    ".norm_act.0.": ".",
    ".pool.weight": ".weight",
    "mlp.0.": "mlp.fc1.",
    "mlp.3.": "mlp.fc2.",
}


def _slowfast(name: str) -> str:
    letter = name.partition(".norm_act.")[0][-1]
    for old, new in SLOWFAST.items():
        name = name.replace(f"pool_{letter}.norm_act.0.", f"norm_{letter}.").replace(old, new)
    return name


def test_slowfast_and_mmaction_name_version_2_alike() -> None:
    encoder = MViT(depth=3, stages=(1, 2), num_frames=4, crop_size=64)
    network = torch.nn.ModuleDict({"encoder": encoder, "head": Linear(encoder.num_features, 7)})
    ours = randomise(network).state_dict()
    slowfast = {_slowfast(name): tensor for name, tensor in ours.items()}
    slowfast["cls_token"] = slowfast["cls_token"][None, None]
    assert {"blocks.1.attn.norm_q.weight", "blocks.1.proj.weight"} <= slowfast.keys()
    mmaction = {}
    for name, tensor in slowfast.items():
        name = name.replace("patch_embed.proj.", "patch_embed.projection.")
        name = f"norm3.{name[5:]}" if name.startswith("norm.") else name
        head = name.startswith("head.")
        name = f"cls_head.fc_cls.{name[16:]}" if head else f"backbone.{name}"
        mmaction[name] = tensor
    for found in (from_slowfast(slowfast), from_mmaction(mmaction)):
        assert found.keys() == ours.keys()
        assert all(torch.equal(found[name], tensor) for name, tensor in ours.items())
    assert convert(slowfast, "mvit", lambda _: network).source == "slowfast"
    assert convert(mmaction, "mvit", lambda _: network).source == "mmaction"
