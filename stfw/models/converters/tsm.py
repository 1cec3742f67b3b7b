"""TSM weights of other people."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from stfw.models.converters.renaming import Rule, rename
from stfw.models.converters.resnet3d import non_local_modes
from stfw.models.converters.timm import mmaction_resnet
from stfw.models.origin import IMAGENET, MMACTION, Network, of


def _mmaction(state: Mapping[str, Tensor]) -> list[Network]:
    return non_local_modes(state, [Network("MMAction2's TSM", MMACTION, {"fold_div": 8})])


@of(_mmaction)
def from_mmaction(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """MMAction2's TSM with a ResNet, with or without non-local blocks."""
    shifted = r"backbone\.(layer\d\.\d+(?:\.block)?)\.conv1\.conv\.net\.weight"
    rules: list[Rule] = [(shifted, r"encoder.net.\1.conv1.layer.weight")]
    block = r"backbone\.(layer\d\.\d+)\.non_local_block"
    layer = r"encoder.net.\1.1.layer"
    rules += [
        (rf"{block}\.(g|phi|theta)(?:\.0)?\.conv\.(weight|bias)", rf"{layer}.\2.\3"),
        (rf"{block}\.conv_out\.conv\.(weight|bias)", rf"{layer}.out.\2"),
        (rf"{block}\.conv_out\.bn\.(\w+)", rf"{layer}.bn.\2"),
    ]
    ours = rename(state, [*rules, *mmaction_resnet()], "MMAction2")
    # a block that is followed by a non-local one is the first of two
    return {name.replace(".block.", ".0."): tensor for name, tensor in ours.items()}


@of(Network("TSM of its authors", IMAGENET, {"fold_div": 8}))
def from_mit(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """mit-han-lab/temporal-shift-module with a ResNet, with or without ``module.``."""
    base = r"(?:module\.)?base_model"
    rules: list[Rule] = [
        (rf"{base}\.(layer\d\.\d+)\.conv1\.net\.weight", r"encoder.net.\1.conv1.layer.weight"),
        (rf"{base}\.((?:conv1|bn1|layer\d)\..+)", r"encoder.net.\1"),
        (r"(?:module\.)?new_fc\.(weight|bias)", r"head.fc.\1"),
    ]
    return rename(state, rules, "temporal-shift-module")
