"""Weights of other people's 3D ResNets (I3D, SlowOnly, C2D, non-local, R(2+1)D) -> ``ResNet3D``."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from stfw.models.converters.renaming import FOREIGN_HEAD, Rule, rename

STAGES = range(4)


def pytorchvideo_blocks(theirs: str, ours: str) -> list[Rule]:
    """Residual blocks of one stage; ``theirs`` is a pattern without groups."""
    block = rf"{theirs}\.res_blocks\.(\d+)\."
    return [
        (block + r"branch2\.conv_b\.conv_t\.weight", rf"{ours}.\1.b.time.conv.weight"),
        (block + r"branch2\.conv_b\.norm\.(\w+)", rf"{ours}.\1.b.time.bn.\2"),
        (block + r"branch2\.conv_b\.conv_xy\.weight", rf"{ours}.\1.b.space.conv.weight"),
        (block + r"branch2\.conv_([abc])\.weight", rf"{ours}.\1.\2.conv.weight"),
        (block + r"branch2\.norm_([abc])\.(\w+)", rf"{ours}.\1.\2.bn.\3"),
        (block + r"branch1_conv\.weight", rf"{ours}.\1.shortcut.conv.weight"),
        (block + r"branch1_norm\.(\w+)", rf"{ours}.\1.shortcut.bn.\2"),
    ]


def slowfast_blocks(theirs: str, ours: str) -> list[Rule]:
    """Residual blocks of one path and stage of PySlowFast, ``s2.pathway0`` for example."""
    block = rf"{theirs}_res(\d+)\."
    return [
        (block + r"branch2\.([abc])\.weight", rf"{ours}.\1.\2.conv.weight"),
        (block + r"branch2\.([abc])_bn\.(\w+)", rf"{ours}.\1.\2.bn.\3"),
        (block + r"branch1\.weight", rf"{ours}.\1.shortcut.conv.weight"),
        (block + r"branch1_bn\.(\w+)", rf"{ours}.\1.shortcut.bn.\2"),
    ]


def mmaction_blocks(theirs: str, ours: str) -> list[Rule]:
    """Residual blocks of one stage of MMAction2, ``backbone.layer1`` for example."""
    rules = [
        (rf"{theirs}\.(\d+)\.conv{number}\.(conv|bn)\.(\w+)", rf"{ours}.\1.{letter}.\2.\3")
        for number, letter in ((1, "a"), (2, "b"), (3, "c"))
    ]
    other = rf"{theirs}\.(\d+)\.non_local_block\."
    return [
        *rules,
        (rf"{theirs}\.(\d+)\.downsample\.(conv|bn)\.(\w+)", rf"{ours}.\1.shortcut.\2.\3"),
        (other + r"(g|theta|phi)(?:\.0)?\.conv\.(\w+)", rf"{ours}.\1.non_local.\2.\3"),
        (other + r"conv_out\.conv\.(\w+)", rf"{ours}.\1.non_local.out.\2"),
        (other + r"conv_out\.bn\.(\w+)", rf"{ours}.\1.non_local.bn.\2"),
    ]


def from_pytorchvideo(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """``slow_r50``, ``i3d_r50``, ``c2d_r50``, ``r2plus1d_r50``, ``csn_r101`` of PyTorchVideo."""
    # a pool behind the first stage counts as a block, and moves the later ones
    moved = 1 if any(name.startswith("blocks.6.") for name in state) else 0
    rules: list[Rule] = [
        (r"blocks\.0\.conv\.weight", "encoder.stem.conv.weight"),
        (r"blocks\.0\.norm\.(\w+)", r"encoder.stem.bn.\1"),
        (rf"blocks\.{5 + moved}\.proj\.(\w+)", r"head.fc.\1"),
    ]
    if any(".conv_b.conv_t." in name for name in state):  # (2+1)D: norm_b is behind the space
        b = r"\.res_blocks\.(\d+)\.branch2\.norm_b\.(\w+)"
        rules += [
            (rf"blocks\.{i + 1 + moved * (i > 0)}{b}", rf"encoder.stages.{i}.\1.b.space.bn.\2")
            for i in STAGES
        ]
    for i in STAGES:
        theirs = rf"blocks\.{i + 1 + moved * (i > 0)}"
        rules += pytorchvideo_blocks(theirs, f"encoder.stages.{i}")
    return rename(state, rules, "PyTorchVideo's 3D ResNet")


def from_slowfast(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """``SLOW``, ``I3D`` and ``C2D`` of PySlowFast, without non-local blocks (theirs pool first)."""
    rules: list[Rule] = [
        (r"s1\.pathway0_stem\.(conv|bn)\.(\w+)", r"encoder.stem.\1.\2"),
        (r"head\.projection\.(\w+)", r"head.fc.\1"),
    ]
    for i in STAGES:
        rules += slowfast_blocks(rf"s{i + 2}\.pathway0", f"encoder.stages.{i}")
    return rename(state, rules, "PySlowFast's 3D ResNet")


def from_mmaction(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """``ResNet3d``, ``ResNet3dSlowOnly``, ``C2D`` and 2D ``ResNet`` of MMAction2."""
    rules: list[Rule] = [
        (r"backbone\.conv1\.(conv|bn)\.(\w+)", r"encoder.stem.\1.\2"),
        FOREIGN_HEAD,
    ]
    for i in STAGES:
        rules += mmaction_blocks(rf"backbone\.layer{i + 1}", f"encoder.stages.{i}")
    ours = rename(state, rules, "MMAction2's 3D ResNet")
    # C2D's convolutions are 2D: one frame of ours
    return {name: x.unsqueeze(2) if x.ndim == 4 else x for name, x in ours.items()}
