"""Names of MMAction2 and PySlowFast find their places in ResNet3D, CSN, SlowFast and X3D."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from stfw.models.converters import csn, resnet3d, slowfast, x3d
from stfw.models.encoders.csn import CSN
from stfw.models.encoders.resnet3d import ResNet3D
from stfw.models.encoders.slowfast import SlowFast
from stfw.models.encoders.x3d import X3D
from stfw.models.heads.linear import Linear
from stfw.types import UserError

BN = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
R50 = (3, 4, 6, 3)


def tensors(names: Iterable[str]) -> dict[str, Tensor]:
    return {name: torch.zeros(1, 1) for name in names}


def places(encoder: nn.Module) -> set[str]:
    return set(nn.ModuleDict({"encoder": encoder, "head": Linear(1, 2)}).state_dict())


def conv_module(name: str) -> list[str]:
    """A convolution with batch norm in MMAction2."""
    return [f"{name}.conv.weight", *(f"{name}.bn.{part}" for part in BN)]


def mm_stages(path: str, middle: tuple[str, ...] = ("conv2",)) -> Iterator[str]:
    for stage, num_blocks in enumerate(R50, 1):
        for block in range(num_blocks):
            here = f"{path}.layer{stage}.{block}"
            for conv in ("conv1", *middle, "conv3", *(["downsample"] if block == 0 else [])):
                yield from conv_module(f"{here}.{conv}")


def pyslowfast_stages(number: int) -> Iterator[str]:
    for stage, num_blocks in enumerate(R50, 2):
        for block in range(num_blocks):
            here = f"s{stage}.pathway{number}_res{block}"
            for conv in ("branch2.a", "branch2.b", "branch2.c", *["branch1"] * (block == 0)):
                yield f"{here}.{conv}.weight"
                yield from (f"{here}.{conv}_bn.{part}" for part in BN)


MM_HEAD = ["cls_head.fc_cls.weight", "cls_head.fc_cls.bias"]
SF_HEAD = ["head.projection.weight", "head.projection.bias"]


@pytest.fixture(autouse=True)
def _on_meta() -> Iterator[None]:
    with torch.device("meta"):
        yield


def test_mmaction_i3d() -> None:
    state = tensors([*conv_module("backbone.conv1"), *mm_stages("backbone"), *MM_HEAD])
    ours = resnet3d.from_mmaction(state)
    assert set(ours) == places(ResNet3D())
    theirs = state["backbone.layer2.0.conv3.bn.running_var"]
    assert ours["encoder.stages.1.0.c.bn.running_var"] is theirs
    theirs = state["backbone.layer4.0.downsample.conv.weight"]
    assert ours["encoder.stages.3.0.shortcut.conv.weight"] is theirs


@pytest.mark.parametrize("mode", ["dot_product", "gaussian"])
def test_mmaction_non_local(mode: Any) -> None:
    names = [*conv_module("backbone.conv1"), *mm_stages("backbone"), *MM_HEAD]
    for stage, blocks in ((2, (1, 3)), (3, (1, 3, 5))):
        for block in blocks:
            here = f"backbone.layer{stage}.{block}.non_local_block"
            names += conv_module(f"{here}.conv_out")
            # what is pooled is a sequence, whose first part is the convolution
            for part in ("g.0",) if mode == "gaussian" else ("g.0", "theta", "phi.0"):
                names += [f"{here}.{part}.conv.weight", f"{here}.{part}.conv.bias"]
    assert set(resnet3d.from_mmaction(tensors(names))) == places(ResNet3D(non_local=mode))


def test_mmaction_c2d_has_2d_convolutions() -> None:
    names = [*conv_module("backbone.conv1"), *mm_stages("backbone"), *MM_HEAD]
    state = tensors(names)
    state["backbone.conv1.conv.weight"] = torch.zeros(64, 3, 7, 7)
    ours = resnet3d.from_mmaction(state)
    assert ours["encoder.stem.conv.weight"].shape == (64, 3, 1, 7, 7)


@pytest.mark.parametrize("mode", ["ir", "ip"])
def test_mmaction_csn(mode: Any) -> None:
    middle = ("conv2.0",) if mode == "ir" else ("conv2.0", "conv2.1")
    names = [*conv_module("backbone.conv1"), *mm_stages("backbone", middle), *MM_HEAD]
    state = tensors(names)
    ours = csn.from_mmaction(state)
    assert set(ours) == places(CSN(depth=50, mode=mode))
    if mode == "ip":
        theirs = state["backbone.layer3.2.conv2.0.conv.weight"]
        assert ours["encoder.stages.2.2.b.mix.conv.weight"] is theirs


@pytest.mark.parametrize("norm", [False, True])
def test_mmaction_slowfast(norm: bool) -> None:
    names = list(MM_HEAD)
    for path in ("backbone.slow_path", "backbone.fast_path"):
        names += [*conv_module(f"{path}.conv1"), *mm_stages(path)]
    for place in ("conv1", "layer1", "layer2", "layer3"):
        module = conv_module(f"backbone.slow_path.{place}_lateral")
        names += module if norm else module[:1]
    state = tensors(names)
    ours = slowfast.from_mmaction(state)
    assert set(ours) == places(SlowFast(lateral_norm=norm))
    theirs = state["backbone.slow_path.layer1_lateral.conv.weight"]
    assert ours["encoder.laterals.1.conv.weight"] is theirs


def test_pyslowfast_slowfast() -> None:
    names = list(SF_HEAD)
    for number in (0, 1):
        names += [f"s1.pathway{number}_stem.conv.weight", *pyslowfast_stages(number)]
        names += [f"s1.pathway{number}_stem.bn.{part}" for part in BN]
    for stage in (1, 2, 3, 4):
        names.append(f"s{stage}_fuse.conv_f2s.weight")
        names += [f"s{stage}_fuse.bn.{part}" for part in BN]
    state = tensors(names)
    ours = slowfast.from_slowfast(state)
    assert set(ours) == places(SlowFast())
    theirs = state["s5.pathway1_res2.branch2.b.weight"]
    assert ours["encoder.fast_stages.3.2.b.conv.weight"] is theirs


def test_pyslowfast_slow() -> None:
    names = [*SF_HEAD, "s1.pathway0_stem.conv.weight", *pyslowfast_stages(0)]
    names += [f"s1.pathway0_stem.bn.{part}" for part in BN]
    assert set(resnet3d.from_slowfast(tensors(names))) == places(ResNet3D())


def test_x3d_of_mmaction_and_pyslowfast() -> None:
    theirs = ["backbone.conv1_s.conv.weight", "cls_head.fc1.weight"]
    theirs += ["cls_head.fc2.weight", "cls_head.fc2.bias"]
    theirs += [*conv_module("backbone.conv1_t"), *conv_module("backbone.conv5")]
    others = ["s1.pathway0_stem.conv_xy.weight", "s1.pathway0_stem.conv.weight"]
    others += [f"s1.pathway0_stem.bn.{part}" for part in BN]
    others += ["head.conv_5.weight", *(f"head.conv_5_bn.{part}" for part in BN)]
    others += ["head.lin_5.weight", *SF_HEAD]
    for stage, num_blocks in enumerate((3, 5, 11, 7)):
        for block in range(num_blocks):
            here, there = f"backbone.layer{stage + 1}.{block}", f"s{stage + 2}.pathway0_res{block}"
            first = block == 0
            for conv in ("conv1", "conv2", "conv3", *["downsample"] * first):
                theirs += conv_module(f"{here}.{conv}")
            for conv in ("branch2.a", "branch2.b", "branch2.c", *["branch1"] * first):
                others += [f"{there}.{conv}.weight", *(f"{there}.{conv}_bn.{p}" for p in BN)]
            if block % 2 == 0:
                for fc in ("fc1", "fc2"):
                    theirs += [f"{here}.se_module.{fc}.{part}" for part in ("weight", "bias")]
                    others += [f"{there}.branch2.se.{fc}.{part}" for part in ("weight", "bias")]
    expected = places(X3D(first_shortcut_norm=True))
    assert set(x3d.from_mmaction(tensors(theirs))) == expected
    assert set(x3d.from_slowfast(tensors(others))) == expected


def test_a_name_without_a_place_is_an_error_that_names_it() -> None:
    state = tensors(["s3.pathway0_nonlocal1.conv_g.weight"])
    with pytest.raises(UserError, match=r"PySlowFast.*s3\.pathway0_nonlocal1\.conv_g\.weight"):
        resnet3d.from_slowfast(state)
