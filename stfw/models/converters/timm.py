"""Weights of 2D networks on frames (TSN) of other people."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from stfw.models.converters.renaming import FOREIGN_HEAD, Rule, rename
from stfw.models.origin import IMAGENET, MMACTION, Network, of


@of(Network("a ResNet of torchvision or timm", IMAGENET))
def from_torchvision(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A ResNet in torchvision's names, which are timm's, too."""
    rules: list[Rule] = [(r"((?:conv1|bn1|layer\d)\..+)", r"encoder.net.\1"), FOREIGN_HEAD]
    return rename(state, rules, "torchvision")


@of(Network("MMAction2's TSN", MMACTION))
def from_mmaction(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """MMAction2's TSN with its own ResNet."""
    return rename(state, mmaction_resnet(), "MMAction2")


def mmaction_resnet() -> list[Rule]:
    """MMAction2's ResNet, convolution and norm of a layer together, -> timm's."""
    block = r"backbone\.(layer\d\.\d+(?:\.block)?)"
    return [
        (r"backbone\.conv1\.conv\.weight", "encoder.net.conv1.weight"),
        (r"backbone\.conv1\.bn\.(\w+)", r"encoder.net.bn1.\1"),
        (rf"{block}\.conv(\d)\.conv\.weight", r"encoder.net.\1.conv\2.weight"),
        (rf"{block}\.conv(\d)\.bn\.(\w+)", r"encoder.net.\1.bn\2.\3"),
        (rf"{block}\.downsample\.conv\.weight", r"encoder.net.\1.downsample.0.weight"),
        (rf"{block}\.downsample\.bn\.(\w+)", r"encoder.net.\1.downsample.1.\2"),
        (r"data_preprocessor\.(?:mean|std)", None),
        FOREIGN_HEAD,
    ]
