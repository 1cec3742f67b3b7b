"""TSN and TSM: timm's network, the shift restated, names of MMAction2 and of the authors."""

from __future__ import annotations

import re

import pytest
import torch
from torch import Tensor, nn

from stfw.models.converters import timm as timm_converter
from stfw.models.converters import tsm as tsm_converter
from stfw.models.encoders.timm import Timm
from stfw.models.encoders.tsm import Tsm
from tests.parity.classifier import Classifier, round_trip
from tests.parity.reference import assert_equal_logits, needs, randomise


def restated(x_TCHW: Tensor, fold_div: int) -> Tensor:
    """One frame at a time: the first fold from the frame after, the second from the one before."""
    T, C = x_TCHW.shape[:2]
    fold = C // fold_div
    frames = []
    for t in range(T):
        frame_CHW = x_TCHW[t].clone()
        frame_CHW[:fold] = x_TCHW[t + 1, :fold] if t + 1 < T else 0
        frame_CHW[fold : 2 * fold] = x_TCHW[t - 1, fold : 2 * fold] if t > 0 else 0
        frames.append(frame_CHW)
    return torch.stack(frames)


@pytest.mark.parametrize(("name", "every"), [("resnet18", 1), ("resnet101", 2)])
def test_timm_s_network_with_the_shift_restated(name: str, every: int) -> None:
    timm = needs("timm")
    reference = randomise(timm.create_model(name, num_classes=5))
    ours = Classifier(Tsm(name), 5).eval()
    theirs = {  # MMAction2's names for the same weights
        re.sub(r"\.conv1\.weight", ".conv1.layer.weight", f"encoder.net.{key}")
        if re.match(rf"layer\d\.\d*{'[02468]' if every == 2 else ''}\.conv1", key)
        else f"encoder.net.{key}": tensor
        for key, tensor in reference.state_dict().items()
    }
    ours.load_state_dict({key.replace("encoder.net.fc", "head.fc"): t for key, t in theirs.items()})

    def shift_first(_: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor]:
        return (restated(args[0], 8),)

    for stage in (reference.layer1, reference.layer2, reference.layer3, reference.layer4):
        for number, block in enumerate(stage):
            if number % every == 0:
                block.conv1.register_forward_pre_hook(shift_first)
    x_BCTHW = torch.randn(2, 3, 4, 32, 32)
    with torch.no_grad():
        expected_BK = torch.stack([reference(x.transpose(0, 1)).mean(dim=0) for x in x_BCTHW])
        assert_equal_logits(ours(x_BCTHW), expected_BK, f"timm {timm.__version__} {name}, shifted")


def test_the_same_weights_give_torchvision_s_logits_frame_by_frame() -> None:
    torchvision = needs("torchvision")
    reference = randomise(torchvision.models.resnet50(num_classes=5, zero_init_residual=True))
    ours = Classifier(Timm("resnet50"), 5).eval()
    ours.load_state_dict(timm_converter.from_torchvision(reference.state_dict()))
    x_BCTHW = torch.randn(1, 3, 3, 64, 64)
    with torch.no_grad():
        expected_BK = reference(x_BCTHW[0].transpose(0, 1)).mean(dim=0, keepdim=True)
        assert_equal_logits(
            ours(x_BCTHW), expected_BK, f"torchvision {torchvision.__version__} resnet50, averaged"
        )


def mmaction(name: str, tensor: Tensor) -> tuple[str, Tensor]:
    name = name.replace("encoder.net.", "backbone.").replace("head.fc.", "cls_head.fc_cls.")
    name = re.sub(r"(layer[23]\.\d+)\.0\.(conv|bn|downsample)", r"\1.block.\2", name)
    name = re.sub(r"(layer[23]\.\d+)\.1\.layer\.", r"\1.non_local_block.", name)
    name = re.sub(r"\.bn(\d)\.", r".conv\1.bn.", name)
    name = re.sub(r"\.conv(\d)\.(layer\.)?weight$", r".conv\1.conv.\2weight", name)
    name = name.replace(".layer.weight", ".net.weight")
    name = name.replace("downsample.0.", "downsample.conv.").replace(
        "downsample.1.", "downsample.bn."
    )
    name = re.sub(r"non_local_block\.(g|phi)\.", r"non_local_block.\1.0.conv.", name)
    name = name.replace("non_local_block.theta.", "non_local_block.theta.conv.")
    name = name.replace("non_local_block.out.", "non_local_block.conv_out.conv.")
    return name.replace("non_local_block.bn.", "non_local_block.conv_out.bn."), tensor


def mit(name: str, tensor: Tensor) -> tuple[str, Tensor]:
    name = name.replace("encoder.net.", "module.base_model.").replace("head.fc.", "module.new_fc.")
    return name.replace("conv1.layer.", "conv1.net."), tensor


def test_names_of_mmaction() -> None:
    network = Classifier(Timm("resnet50"), 3)
    names = round_trip(network, timm_converter.from_mmaction, mmaction)
    assert {
        "backbone.conv1.bn.bias",
        "backbone.layer1.0.conv3.conv.weight",
        "backbone.layer2.0.downsample.bn.running_var",
    } <= set(names)
    names = round_trip(
        Classifier(Tsm("resnet50", non_local="dot_product"), 3),
        tsm_converter.from_mmaction,
        mmaction,
    )
    assert {
        "backbone.conv1.conv.weight",
        "backbone.layer1.2.conv1.conv.net.weight",
        "backbone.layer3.4.block.conv1.conv.net.weight",
        "backbone.layer2.2.non_local_block.g.0.conv.bias",
        "backbone.layer2.0.non_local_block.conv_out.bn.weight",
    } <= set(names)


def test_names_of_the_authors() -> None:
    names = round_trip(Classifier(Tsm("resnet50"), 3), tsm_converter.from_mit, mit)
    assert {
        "module.base_model.layer4.2.conv1.net.weight",
        "module.base_model.bn1.weight",
        "module.new_fc.bias",
    } <= set(names)
