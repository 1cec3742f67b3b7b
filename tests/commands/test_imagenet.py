"""``weights=imagenet``: whose weights go into which encoder, and what is told of them."""

from __future__ import annotations

import contextlib
import re
from typing import Any

import pytest
import timm
import torch
import torchvision

from stfw.assemble import assemble_network
from stfw.build import Build
from stfw.commands import imagenet as module
from stfw.commands.start import open_start
from stfw.config import compose, conf_dir
from stfw.runs.weights import Weights, start_from
from stfw.types import UserError
from tests.test_docs import ROOT


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """torchvision's weights are random ones of the network that they are for; names as asked."""
    found: list[str] = []

    def fetch(entry: Any) -> dict[str, torch.Tensor]:
        found.append(str(entry))
        name = str(entry).split("_Weights")[0].lower()
        torch.manual_seed(0)
        whole = {"init_weights": False} if name == "googlenet" else {}  # with its two helpers
        return torchvision.models.get_model(name, **whole).state_dict()

    monkeypatch.setattr(module, "fetch", fetch)
    return found


def of(*words: str) -> Weights:
    composed = compose("train", ["weights=imagenet", *words])
    weights = open_start(composed.cfg, composed.choices)
    assert weights is not None
    assert not any(name.startswith("head.") for name in weights.state)
    return weights


def test_a_3d_resnet_is_inflated_from_torchvision_s(asked: list[str]) -> None:
    weights = of("model=i3d_r50")
    assert asked == ["ResNet50_Weights.IMAGENET1K_V1"]
    kernel = weights.state["encoder.stem.conv.weight"]
    assert kernel.shape[2] == 5
    torch.manual_seed(0)
    given = torchvision.models.resnet50().conv1.weight
    torch.testing.assert_close(kernel.sum(dim=2), given)
    assert weights.notes[0] == "resnet50 inflated"
    assert "transform.batch.normalize.mean=[0.485,0.456,0.406]" in weights.notes[1]


def test_i3d_and_its_flow_are_inflated_from_googlenet(asked: list[str]) -> None:
    weights = of("model=two_stream_i3d")
    assert asked == ["GoogLeNet_Weights.IMAGENET1K_V1"]
    torch.manual_seed(0)
    flat = torchvision.models.googlenet(init_weights=False).state_dict()
    # its first layer sees -1..1, as the preset normalises, whatever its transforms say
    assert weights.notes == ("googlenet inflated",)
    cfg = compose("train", ["model=two_stream_i3d"]).cfg
    network = assemble_network(cfg, Build(), 7)
    told = start_from(network, weights)
    assert "flow: mean over channels in layers.conv1a.conv.weight" in told
    own = network.encoders
    for stream, given in [
        ("rgb", flat["conv1.conv.weight"]),
        ("flow", flat["conv1.conv.weight"].mean(dim=1, keepdim=True).expand(-1, 2, -1, -1)),
    ]:
        kernel = own[stream].layers.conv1a.conv.weight
        torch.testing.assert_close(kernel, given.unsqueeze(2).expand_as(kernel) / 7)
        last = own[stream].layers.mixed5c.branch3[1]
        given = flat["inception5b.branch4.1.conv.weight"]
        assert torch.equal(last.conv.weight[:, :, 0], given)
        given = flat["inception5b.branch4.1.bn.running_var"]
        assert torch.equal(last.bn.running_var, given)


def test_video_swin_is_inflated_from_torchvision_s(asked: list[str]) -> None:
    assert of("model=swin3d_t").notes[0] == "swin_t inflated"
    for size in ("s", "b"):
        cfg = compose("train", [f"model=swin3d_{size}"]).cfg
        module.INFLATED["swin3d"][0](cfg.encoder)
    assert asked == [f"Swin_{size}_Weights.IMAGENET1K_V1" for size in "TSB"]


def random_vit(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """timm gives random weights, of two blocks; the names that it was asked for."""
    create, found = timm.create_model, []

    def create_model(name: str, pretrained: bool, **arguments: Any) -> torch.nn.Module:
        assert pretrained
        found.append(name)
        return create(name, pretrained=False, depth=2, **arguments)

    monkeypatch.setattr(timm, "create_model", create_model)
    return found


@pytest.mark.parametrize(
    ("words", "name", "prefix"),
    [
        (["model=timesformer"], "vit_base_patch16_224.augreg_in21k", ""),
        (["model=vivit_b"], "vit_base_patch16_224.augreg_in21k", "space."),
        (
            ["model=vivit_b", "encoder.width=384", "encoder.num_heads=6", "encoder.time_depth=1"],
            "vit_small_patch16_224.augreg_in21k",
            "space.",
        ),
    ],
    ids=["timesformer", "vivit", "factorised"],
)
def test_picture_transformers_are_timm_s_of_imagenet_21k(
    monkeypatch: pytest.MonkeyPatch, words: list[str], name: str, prefix: str
) -> None:
    asked = random_vit(monkeypatch)
    weights = of(*words, "encoder.depth=2")
    assert asked == [name]
    assert weights.notes[0] == f"{name} inflated"
    assert "mean=[0.5,0.5,0.5]" in weights.notes[1]
    assert f"encoder.{prefix}blocks.1.mlp.fc2.bias" in weights.state


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["model=timesformer", "encoder.width=96"], "timm has no ViT of width 96"),
        (["model=timesformer", "encoder.num_heads=6"], "has 12 heads; set encoder.num_heads=12"),
        (["model=vivit_b", "encoder.depth=3"], "1[0-9] missing: space.blocks.2"),
        (["model=swin3d_l"], "no 2D Swin of width 192 and depths"),
        (["model=r3d_50", "encoder.depth=200"], "there is no 2D resnet200"),
        (["model=slowfast_r50"], "'slowfast' has no such weights, since its slow path reads"),
        (["model=s3d"], "'s3d' has no such weights, since its convolutions over time"),
        (["model=x3d_s"], "since no published 2D network has its layers; 2D networks of timm"),
        (["model=mvit_v2_s"], "'mvit' has no such weights"),
        (["model=videomae_b"], "begins from its own pre-training"),
        (["model=r3d_18"], "since its stem does not pool"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_refusal_says_why(
    monkeypatch: pytest.MonkeyPatch, words: list[str], message: str
) -> None:
    random_vit(monkeypatch)
    with pytest.raises(UserError, match=message):
        of(*words)


def test_the_page_lists_the_presets_that_take_it(
    asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those whose encoder may are tried, on the meta device."""
    create = timm.create_model
    monkeypatch.setattr(timm, "create_model", lambda name, pretrained, **rest: create(name, **rest))
    taken, refused = set(), set()
    for path in sorted((conf_dir() / "model").glob("*.yaml")):
        (encoder,) = re.findall(r"override /encoder: (\w+)", path.read_text())
        if encoder in ("timm", "tsm"):
            taken.add(path.stem)
        elif encoder in module.INFLATED:
            cfg = compose("train", [f"model={path.stem}", "weights=imagenet"]).cfg
            with torch.device("meta"), contextlib.suppress(UserError):
                module.imagenet(cfg)
                taken.add(path.stem)
        else:
            refused.add(encoder)
    assert set(module.REFUSED) < refused
    page = (ROOT / "docs" / "weights.md").read_text()
    table = page.partition("### Which presets")[2].partition("\n\nThe picture's")[0]
    cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    listed: set[str] = set()
    for name in re.findall(r"`(\w+)`", " ".join(cells)):
        listed.add(name if not name.startswith("_") else f"swin3d{name}")
    assert taken == listed


def test_a_2d_network_is_timm_s_own(monkeypatch: pytest.MonkeyPatch) -> None:
    create = timm.create_model

    def fetched(name: str, pretrained: bool, **arguments: object) -> torch.nn.Module:
        network = create(name, pretrained=False, **arguments)
        torch.nn.init.constant_(network.conv1.weight, 2.0 if pretrained else 1.0)
        return network

    monkeypatch.setattr(timm, "create_model", fetched)
    weights = of("model=frame_cnn")
    assert (weights.state["encoder.net.conv1.weight"] == 2).all()
    assert "transform.batch.normalize.mean=[0.485,0.456,0.406]" in weights.notes[1]

    def offline(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(UserError, match="timm cannot fetch resnet18: no route to host"):
        of("model=frame_cnn")
    with pytest.raises(UserError, match="timm cannot fetch vit_base_patch16"):
        of("model=vivit_b")
