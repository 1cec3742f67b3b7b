"""Weights of video ResNets of other people."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from stfw.models.converters.renaming import FOREIGN_HEAD, Rule, rename
from stfw.models.origin import IMAGENET, KINETICS, MMACTION, Network, of

_BLOCK = r"(layer\d\.\d+)"
_TO = r"encoder.net.\1"


@of(Network("torchvision's video ResNet", KINETICS))
def from_torchvision(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """torchvision's r3d_18, mc3_18, r2plus1d_18, and whatever else its VideoResNet builds."""
    rules: list[Rule] = [(r"((?:stem|layer\d)\..+)", _TO), FOREIGN_HEAD]
    return rename(state, rules, "torchvision")


@of(Network("GluonCV's R(2+1)D", IMAGENET))
def from_gluoncv(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """GluonCV's PyTorch R(2+1)D: v1 (layout torchvision) and v2 (layout vmz)."""
    rules = _GLUONCV_V2 if "conv1_middle.weight" in state else _GLUONCV_V1
    return rename(state, rules, "GluonCV")


@of(Network("MMAction2's R(2+1)D", MMACTION))
def from_mmaction(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """MMAction2's R(2+1)D-34 (layout mmaction)."""
    layer = r"backbone\.(layer\d\.\d+\.conv\d)"
    rules: list[Rule] = []
    for theirs, ours in (("conv_s", "0"), ("bn_s", "1"), ("conv_t", "3")):
        rules += [
            (rf"{layer}\.conv\.{theirs}\.(\w+)", rf"{_TO}.0.{ours}.\2"),
            (rf"backbone\.conv1\.conv\.{theirs}\.(\w+)", rf"encoder.net.stem.{ours}.\1"),
            (
                rf"backbone\.(layer\d\.\d+\.downsample)\.conv\.{theirs}\.(\w+)",
                rf"{_TO}.0.{ours}.\2",
            ),
        ]
    rules += [
        (rf"{layer}\.bn\.(\w+)", rf"{_TO}.1.\2"),
        (r"backbone\.conv1\.bn\.(\w+)", r"encoder.net.stem.4.\1"),
        (r"backbone\.(layer\d\.\d+\.downsample)\.bn\.(\w+)", rf"{_TO}.1.\2"),
        (r"data_preprocessor\.(?:mean|std)", None),
        FOREIGN_HEAD,
    ]
    return rename(state, rules, "MMAction2")


def _gluoncv(stem: Mapping[str, str], parts: Mapping[str, str]) -> list[Rule]:
    rules: list[Rule] = [(rf"{k}\.(\w+)", rf"encoder.net.stem.{v}.\1") for k, v in stem.items()]
    rules += [(rf"{_BLOCK}\.{k}\.(?P<last>\w+)", rf"{_TO}.{v}.\g<last>") for k, v in parts.items()]
    return [*rules, (r"(?:out_)?fc\.(weight|bias)", r"head.fc.\1")]


_GLUONCV_V1 = _gluoncv(
    {"conv1": "0", "bn1": "1", "conv2": "3", "bn2": "4"},
    {
        r"conv(?P<n>[12])\.conv1": r"conv\g<n>.0.0",
        r"conv(?P<n>[12])\.bn1": r"conv\g<n>.0.1",
        r"conv(?P<n>[12])\.conv2": r"conv\g<n>.0.3",
        r"conv(?P<n>[13])": r"conv\g<n>.0",  # of bottlenecks
        r"bn(?P<n>[123])": r"conv\g<n>.1",
        r"downsample\.(?P<n>[01])": r"downsample.\g<n>",
    },
)
_GLUONCV_V2 = _gluoncv(
    {"conv1_middle": "0", "bn1_middle": "1", "conv1": "3", "bn1": "4"},
    {
        "conv2_middle": "conv2.0.0",
        "bn2_middle": "conv2.0.1",
        "conv2": "conv2.0.3",
        r"conv(?P<n>[13])": r"conv\g<n>.0",
        r"bn(?P<n>[123])": r"conv\g<n>.1",
        r"down_sample\.(?P<n>[01])": r"downsample.\g<n>",
    },
)
