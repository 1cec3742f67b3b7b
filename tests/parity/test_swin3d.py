"""Swin3D gives the logits of torchvision's, weights converted."""

from __future__ import annotations

import pytest
import torch

from stfw.models.convert import convert
from stfw.models.converters.swin3d import from_authors, from_mmaction, from_torchvision
from stfw.models.encoders.swin3d import Swin3D
from stfw.models.heads.linear import Linear
from tests.parity.reference import assert_equal_logits, needs, randomise

SMALL = {"depths": (2, 2, 2, 2), "num_heads": (1, 2, 4, 8)}


@pytest.mark.parametrize("size", [(18, 60, 72), (4, 64, 64)])
@torch.no_grad()
def test_logits_are_those_of_torchvision(size: tuple[int, int, int]) -> None:
    swin = needs("torchvision.models.video.swin_transformer")
    theirs = swin.SwinTransformer3d(
        patch_size=[2, 4, 4],
        embed_dim=24,
        depths=list(SMALL["depths"]),
        num_heads=list(SMALL["num_heads"]),
        window_size=[8, 7, 7],
        num_classes=7,
    )
    theirs = randomise(theirs)
    encoder = Swin3D(width=24, **SMALL)
    ours = torch.nn.ModuleDict({"encoder": encoder, "head": Linear(192, 7)}).eval()
    ours.load_state_dict(from_torchvision(theirs.state_dict()))
    x_BCTHW = torch.randn(1, 3, *size)
    logits_BK = ours["head"](ours["encoder"](x_BCTHW)[:, 0])
    assert_equal_logits(logits_BK, theirs(x_BCTHW), "torchvision SwinTransformer3d")


def test_mmaction_counts_stages_and_keeps_the_merging_inside() -> None:
    encoder = Swin3D(width=24, **SMALL)
    network = torch.nn.ModuleDict({"encoder": encoder, "head": Linear(192, 7)})
    ours = network.state_dict()
    mmaction = {}
    for name, tensor in ours.items():
        parts = name.split(".")
        if parts[0] == "head":
            name = f"cls_head.fc_cls.{parts[-1]}"
        elif parts[2] == "features" and int(parts[3]) % 2:
            name = ".".join(["backbone.layers", str(int(parts[3]) // 2), "downsample", *parts[4:]])
        elif parts[2] == "features":
            name = ".".join(["backbone.layers", str(int(parts[3]) // 2), "blocks", *parts[4:]])
            name = name.replace("mlp.0.", "mlp.fc1.").replace("mlp.3.", "mlp.fc2.")
        elif parts[2] == "norm":
            name = f"backbone.norm3.{parts[-1]}"
        else:
            name = ".".join(["backbone", *parts[2:]])
        mmaction[name] = tensor
    assert "backbone.layers.0.downsample.reduction.weight" in mmaction
    authors = {name.replace("norm3", "norm"): tensor for name, tensor in mmaction.items()}
    for source, theirs, converter in (
        ("mmaction", mmaction, from_mmaction),
        ("authors", authors, from_authors),
    ):
        found = converter(theirs)
        assert found.keys() == ours.keys()
        assert all(found[name] is tensor for name, tensor in ours.items())
        assert convert(theirs, "swin3d", lambda _: network).source == source
