"""Weights of other people's SlowFast networks -> ``SlowFast``."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from stfw.models.converters.renaming import FOREIGN_HEAD, Rule, rename
from stfw.models.converters.resnet3d import (
    STAGES,
    mmaction_blocks,
    pytorchvideo_blocks,
    slowfast_blocks,
)
from stfw.models.origin import GRAY, MMACTION, Network, of

PATHS = ("slow", "fast")
_LATERAL = "s1_fuse.conv_f2s.weight"
_MM_LATERAL = "backbone.slow_path.conv1_lateral.conv.weight"


def _slowfast(state: Mapping[str, Tensor]) -> list[Network]:
    """Short lateral kernels are those of 4x16, but for depth 101."""
    short, deep = state[_LATERAL].shape[2] == 5, "s4.pathway0_res6.branch2.a.weight" in state
    alpha = 8 if short and not deep else 4
    return [Network("PySlowFast's SlowFast", GRAY, {"alpha": alpha, "slow_frames": "linspace"})]


def _mmaction(state: Mapping[str, Tensor]) -> list[Network]:
    """Short lateral kernels are those of 4x16, at every depth."""
    alpha = 8 if state[_MM_LATERAL].shape[2] == 5 else 4
    return [Network("MMAction2's SlowFast", MMACTION, {"alpha": alpha, "slow_frames": "strided"})]


@of(Network("PyTorchVideo's SlowFast", GRAY, {"alpha": 4, "slow_frames": "linspace"}))
def from_pytorchvideo(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """``slowfast_r50``, ``slowfast_r101``, ``slowfast_16x8_r101_50_50`` of PyTorchVideo."""
    rules: list[Rule] = [(r"blocks\.6\.proj\.(\w+)", r"head.fc.\1")]
    for i in STAGES:
        fusion = rf"blocks\.{i}\.multipathway_fusion\."
        rules.append((fusion + r"conv_fast_to_slow\.weight", f"encoder.laterals.{i}.conv.weight"))
        rules.append((fusion + r"norm\.(\w+)", rf"encoder.laterals.{i}.bn.\1"))
    for number, path in enumerate(PATHS):
        stem = rf"blocks\.0\.multipathway_blocks\.{number}\."
        rules.append((stem + r"conv\.weight", f"encoder.{path}_stem.conv.weight"))
        rules.append((stem + r"norm\.(\w+)", rf"encoder.{path}_stem.bn.\1"))
        for i in STAGES:
            theirs = rf"blocks\.{i + 1}\.multipathway_blocks\.{number}"
            rules += pytorchvideo_blocks(theirs, f"encoder.{path}_stages.{i}")
    return rename(state, rules, "PyTorchVideo's SlowFast")


@of(_slowfast)
def from_slowfast(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """``SLOWFAST_*`` of PySlowFast, without non-local blocks."""
    rules: list[Rule] = [(r"head\.projection\.(\w+)", r"head.fc.\1")]
    for i in STAGES:
        rules.append((rf"s{i + 1}_fuse\.conv_f2s\.weight", f"encoder.laterals.{i}.conv.weight"))
        rules.append((rf"s{i + 1}_fuse\.bn\.(\w+)", rf"encoder.laterals.{i}.bn.\1"))
    for number, path in enumerate(PATHS):
        stem = rf"s1\.pathway{number}_stem\.(conv|bn)\.(\w+)"
        rules.append((stem, rf"encoder.{path}_stem.\1.\2"))
        for i in STAGES:
            rules += slowfast_blocks(rf"s{i + 2}\.pathway{number}", f"encoder.{path}_stages.{i}")
    return rename(state, rules, "PySlowFast's SlowFast")


@of(_mmaction)
def from_mmaction(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """``ResNet3dSlowFast`` of MMAction2.

    The network needs ``encoder.lateral_norm=false`` where the weights have no batch norm in
    ``*_lateral``.
    """
    rules: list[Rule] = [FOREIGN_HEAD]
    for i in STAGES:
        name = "conv1" if i == 0 else f"layer{i}"
        theirs = rf"backbone\.slow_path\.{name}_lateral\.(conv|bn)\.(\w+)"
        rules.append((theirs, rf"encoder.laterals.{i}.\1.\2"))
    for path in PATHS:
        stem = rf"backbone\.{path}_path\.conv1\.(conv|bn)\.(\w+)"
        rules.append((stem, rf"encoder.{path}_stem.\1.\2"))
        for i in STAGES:
            theirs = rf"backbone\.{path}_path\.layer{i + 1}"
            rules += mmaction_blocks(theirs, f"encoder.{path}_stages.{i}")
    return rename(state, rules, "MMAction2's SlowFast")
