"""Weights of other people's X3D -> ``X3D``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from stfw.models.converters.renaming import Rule, rename
from stfw.models.converters.resnet3d import (
    STAGES,
    mmaction_blocks,
    pytorchvideo_blocks,
    slowfast_blocks,
)
from stfw.models.origin import GRAY, Network, of


@of(Network("PyTorchVideo's X3D", GRAY))
def from_pytorchvideo(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """``x3d_xs``, ``x3d_s``, ``x3d_m``, ``x3d_l`` of PyTorchVideo."""
    rules: list[Rule] = [
        # their names of the two are exchanged
        (r"blocks\.0\.conv\.conv_t\.weight", "encoder.stem_space.weight"),
        (r"blocks\.0\.conv\.conv_xy\.weight", "encoder.stem_time.conv.weight"),
        (r"blocks\.0\.norm\.(\w+)", r"encoder.stem_time.bn.\1"),
        (r"blocks\.5\.pool\.pre_conv\.weight", "encoder.last.conv.weight"),
        (r"blocks\.5\.pool\.pre_norm\.(\w+)", r"encoder.last.bn.\1"),
        (r"blocks\.5\.pool\.post_conv\.weight", "encoder.project.weight"),
        (r"blocks\.5\.proj\.(\w+)", r"head.fc.\1"),
    ]
    for i in STAGES:
        theirs, ours = rf"blocks\.{i + 1}", f"encoder.stages.{i}"
        b = rf"{theirs}\.res_blocks\.(\d+)\.branch2\.norm_b\."
        rules += [
            (b + r"0\.(\w+)", rf"{ours}.\1.b.bn.\2"),
            (b + r"1\.block\.0\.(\w+)", rf"{ours}.\1.se.squeeze.\2"),
            (b + r"1\.block\.2\.(\w+)", rf"{ours}.\1.se.excite.\2"),
            *pytorchvideo_blocks(theirs, ours),
        ]
    return _convert(state, rules, "PyTorchVideo's X3D")


@of(Network("PySlowFast's X3D", GRAY))
def from_slowfast(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """``X3D_*`` of PySlowFast (``encoder.first_shortcut_norm=true``)."""
    rules: list[Rule] = [
        (r"s1\.pathway0_stem\.conv_xy\.weight", "encoder.stem_space.weight"),
        (r"s1\.pathway0_stem\.(conv|bn)\.(\w+)", r"encoder.stem_time.\1.\2"),
        (r"head\.conv_5\.weight", "encoder.last.conv.weight"),
        (r"head\.conv_5_bn\.(\w+)", r"encoder.last.bn.\1"),
        (r"head\.lin_5\.weight", "encoder.project.weight"),
        (r"head\.projection\.(\w+)", r"head.fc.\1"),
    ]
    for i in STAGES:
        theirs, ours = rf"s{i + 2}\.pathway0", f"encoder.stages.{i}"
        se = rf"{theirs}_res(\d+)\.branch2\.se\."
        rules += [
            (se + r"fc1\.(\w+)", rf"{ours}.\1.se.squeeze.\2"),
            (se + r"fc2\.(\w+)", rf"{ours}.\1.se.excite.\2"),
            *slowfast_blocks(theirs, ours),
        ]
    return _convert(state, rules, "PySlowFast's X3D")


@of(Network("MMAction2's X3D", GRAY))
def from_mmaction(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """``X3D`` of MMAction2 (``encoder.first_shortcut_norm=true``)."""
    rules: list[Rule] = [
        (r"backbone\.conv1_s\.conv\.weight", "encoder.stem_space.weight"),
        (r"backbone\.conv1_t\.(conv|bn)\.(\w+)", r"encoder.stem_time.\1.\2"),
        (r"backbone\.conv5\.(conv|bn)\.(\w+)", r"encoder.last.\1.\2"),
        (r"cls_head\.fc1\.weight", "encoder.project.weight"),
        (r"cls_head\.fc2\.(\w+)", r"head.fc.\1"),
    ]
    for i in STAGES:
        theirs, ours = rf"backbone\.layer{i + 1}", f"encoder.stages.{i}"
        se = rf"{theirs}\.(\d+)\.se_module\."
        rules += [
            (se + r"fc1\.(\w+)", rf"{ours}.\1.se.squeeze.\2"),
            (se + r"fc2\.(\w+)", rf"{ours}.\1.se.excite.\2"),
            *mmaction_blocks(theirs, ours),
        ]
    return _convert(state, rules, "MMAction2's X3D")


def _convert(state: Mapping[str, Tensor], rules: Sequence[Rule], source: str) -> dict[str, Tensor]:
    ours = rename(state, rules, source)
    if "encoder.project.weight" in ours:  # theirs may be a 1x1x1 convolution
        ours["encoder.project.weight"] = ours["encoder.project.weight"].flatten(1)
    return ours
