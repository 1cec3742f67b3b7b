"""Video ResNets: torchvision's logits; names of GluonCV and MMAction2."""

from __future__ import annotations

import re

import pytest
import torch
from torch import Tensor

from stfw.models.converters.video_resnet import from_gluoncv, from_mmaction, from_torchvision
from stfw.models.encoders.video_resnet import VideoResNet
from stfw.types import UserError
from tests.parity.classifier import Classifier, round_trip
from tests.parity.reference import assert_equal_logits, needs, randomise


@pytest.mark.parametrize("variant", ["r3d", "mc3", "r2plus1d"])
def test_the_same_weights_give_torchvision_s_logits(variant: str) -> None:
    torchvision = needs("torchvision")
    reference = randomise(getattr(torchvision.models.video, f"{variant}_18")(num_classes=7))
    ours = Classifier(VideoResNet(variant=variant), 7).eval()  # type: ignore[arg-type]
    ours.load_state_dict(from_torchvision(reference.state_dict()))
    x_BCTHW = torch.randn(2, 3, 6, 40, 36)
    with torch.no_grad():
        assert_equal_logits(
            ours(x_BCTHW), reference(x_BCTHW), f"torchvision {torchvision.__version__} {variant}_18"
        )


def gluoncv_v1(name: str, tensor: Tensor) -> tuple[str, Tensor]:
    # GluonCV cannot be installed beside today's torch; its names are those of its source
    name = name.removeprefix("encoder.net.").replace("head.fc.", "fc.")
    stem = {"stem.0": "conv1", "stem.1": "bn1", "stem.3": "conv2", "stem.4": "bn2"}
    for ours, theirs in stem.items():
        name = name.replace(ours, theirs)
    for ours, theirs in {".0.0.": "conv1", ".0.1.": "bn1", ".0.3.": "conv2"}.items():
        name = re.sub(r"(\.conv\d)" + re.escape(ours), rf"\1.{theirs}.", name)
    name = re.sub(r"\.conv(\d)\.0\.", r".conv\1.", name)
    return re.sub(r"\.conv(\d)\.1\.", r".bn\1.", name), tensor


def gluoncv_v2(name: str, tensor: Tensor) -> tuple[str, Tensor]:
    name = name.removeprefix("encoder.net.").replace("head.fc.", "out_fc.")
    for ours, theirs in {
        "stem.0": "conv1_middle",
        "stem.1": "bn1_middle",
        "stem.3": "conv1",
        "stem.4": "bn1",
        ".conv1.0.": ".conv1.",
        ".conv1.1.": ".bn1.",
        ".conv2.0.0.": ".conv2_middle.",
        ".conv2.0.1.": ".bn2_middle.",
        ".conv2.0.3.": ".conv2.",
        ".conv2.1.": ".bn2.",
        ".conv3.0.": ".conv3.",
        ".conv3.1.": ".bn3.",
        "downsample": "down_sample",
    }.items():
        name = name.replace(ours, theirs)
    return name, tensor


def mmaction(name: str, tensor: Tensor) -> tuple[str, Tensor]:
    name = name.replace("encoder.net.", "backbone.").replace("head.fc.", "cls_head.fc_cls.")
    for ours, theirs in {
        "stem.0.": "conv1.conv.conv_s.",
        "stem.1.": "conv1.conv.bn_s.",
        "stem.3.": "conv1.conv.conv_t.",
        "stem.4.": "conv1.bn.",
    }.items():
        name = name.replace(ours, theirs)
    for layer in ("conv1", "conv2", "downsample"):
        for ours, theirs in {
            "0.0": "conv.conv_s",
            "0.1": "conv.bn_s",
            "0.3": "conv.conv_t",
            "1": "bn",
        }.items():
            name = re.sub(rf"(layer\d\.\d+\.{layer})\.{ours}\.", rf"\1.{theirs}.", name)
    return name, tensor


def test_names_of_gluoncv() -> None:
    encoder = VideoResNet(variant="r2plus1d", depth=10)
    names = round_trip(Classifier(encoder, 3), from_gluoncv, gluoncv_v1)
    assert {"conv1.weight", "layer1.0.conv2.bn1.running_var", "layer2.0.downsample.1.bias"} <= set(
        names
    )


def test_names_of_gluoncv_s_second_version_and_its_bottlenecks() -> None:
    with torch.device("meta"):
        names = set(Classifier(VideoResNet(variant="r2plus1d", depth=50), 3).state_dict())
        second = VideoResNet(variant="r2plus1d", depth=50, layout="vmz")
        names_v2 = set(Classifier(second, 3).state_dict())
    nothing = torch.empty(0)
    for renamed, expected in ((gluoncv_v1, names), (gluoncv_v2, names_v2)):
        theirs = dict(renamed(name, nothing) for name in expected)
        assert set(from_gluoncv(theirs)) == expected
    assert {"conv1_middle.weight", "layer4.2.bn2_middle.bias", "out_fc.bias"} <= set(theirs)


def test_names_of_mmaction() -> None:
    encoder = VideoResNet(variant="r2plus1d", depth=10, layout="mmaction")
    names = round_trip(Classifier(encoder, 3), from_mmaction, mmaction)
    assert {
        "backbone.conv1.conv.bn_s.weight",
        "backbone.layer2.0.downsample.conv.conv_t.weight",
        "backbone.layer2.0.downsample.bn.running_mean",
        "backbone.layer4.0.conv2.bn.weight",
    } <= set(names)


def test_a_name_without_a_place_is_told() -> None:
    with pytest.raises(UserError, match=r"torchvision: no place for roi_head\.weight"):
        from_torchvision({"roi_head.weight": torch.empty(0)})
