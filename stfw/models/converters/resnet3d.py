"""Weights of other people's 3D ResNets (I3D, SlowOnly, C2D, non-local, R(2+1)D) -> ``ResNet3D``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from torch import Tensor

from stfw.models.converters.renaming import FOREIGN_HEAD, Rule, rename
from stfw.models.origin import GRAY, MMACTION, Network, of

STAGES = range(4)
_FLAT = {  # no stride in time
    "stem_time_stride": 1,
    "stem_pool": True,
    "stem_pool_time_stride": 1,
    "stem_pool_padding": 1,
    "time_strides": [1, 1, 1, 1],
    "space_strides": [1, 2, 2, 2],
    "bn_eps": 1e-5,
}
_FACTORED = {
    "stem_time_stride": 1,
    "stem_pool": False,
    "time_pool": False,
    "time_strides": [1, 1, 2, 2],
    "space_strides": [2, 2, 2, 2],
    "bn_eps": 1e-5,
}


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


def non_local_modes(state: Mapping[str, Tensor], networks: Sequence[Network]) -> list[Network]:
    """Networks of MMAction2 with the modes that their non-local blocks may have."""
    if not any(".non_local_block." in name for name in state):
        return list(networks)
    embedded = any(".non_local_block.theta." in name for name in state)
    modes = ("dot_product", "embedded_gaussian") if embedded else ("gaussian",)
    return [
        replace(
            network,
            name=f"{network.name}, {mode}",
            settings={**network.settings, "non_local": mode},
        )
        for network in networks
        for mode in modes
    ]


def _pooled(state: Mapping[str, Tensor]) -> bool:
    """Whether a pool stands behind PyTorchVideo's first stage: it counts as a block."""
    return any(name.startswith("blocks.6.") for name in state)


def _pytorchvideo(state: Mapping[str, Tensor]) -> list[Network]:
    if any(".conv_b.conv_t." in name for name in state):
        return [Network("PyTorchVideo's R(2+1)D", GRAY, _FACTORED)]
    if _pooled(state):
        return [Network("PyTorchVideo's I3D or C2D", GRAY, {**_FLAT, "time_pool": True})]
    return [Network("PyTorchVideo's SlowOnly", GRAY, {**_FLAT, "time_pool": False})]


def _slowfast(state: Mapping[str, Tensor]) -> list[Network]:
    """Pools have no names there; the published C2D has none."""
    if state["s1.pathway0_stem.conv.weight"].shape[2] > 1:
        kinds = {"I3D": True, "I3D without pool in time": False}
    elif state["s5.pathway0_res0.branch2.a.weight"].shape[2] > 1:
        kinds = {"SlowOnly": False}
    else:
        kinds = {"C2D": True, "C2D without pool in time": False}
    return [
        Network(f"PySlowFast's {name}", GRAY, {**_FLAT, "time_pool": pool})
        for name, pool in kinds.items()
    ]


def _mmaction(state: Mapping[str, Tensor]) -> list[Network]:
    stem = state["backbone.conv1.conv.weight"]
    if stem.ndim == 4:
        pools = {"stem_pool_padding": 0, "time_pool": True}
        found = [
            Network("MMAction2's C2D", MMACTION, _FLAT | pools),
            Network("MMAction2's ResNet on frames", MMACTION, {**_FLAT, "time_pool": False}),
        ]
    elif stem.shape[2] == 1:
        found = [Network("MMAction2's SlowOnly", MMACTION, {**_FLAT, "time_pool": False})]
    elif state["backbone.layer2.1.conv1.conv.weight"].shape[2] > 1:
        found = [Network("MMAction2's heavy I3D", MMACTION, {**_FLAT, "time_pool": True})]
    else:
        strides = {"stem_time_stride": 2, "stem_pool_time_stride": 2, "time_pool": True}
        found = [Network("MMAction2's I3D", MMACTION, _FLAT | strides)]
    return non_local_modes(state, found)


@of(_pytorchvideo)
def from_pytorchvideo(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """``slow_r50``, ``i3d_r50``, ``c2d_r50``, ``r2plus1d_r50``, ``csn_r101`` of PyTorchVideo."""
    moved = 1 if _pooled(state) else 0
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


@of(_slowfast)
def from_slowfast(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """``SLOW``, ``I3D`` and ``C2D`` of PySlowFast, without non-local blocks (theirs pool first)."""
    rules: list[Rule] = [
        (r"s1\.pathway0_stem\.(conv|bn)\.(\w+)", r"encoder.stem.\1.\2"),
        (r"head\.projection\.(\w+)", r"head.fc.\1"),
    ]
    for i in STAGES:
        rules += slowfast_blocks(rf"s{i + 2}\.pathway0", f"encoder.stages.{i}")
    return rename(state, rules, "PySlowFast's 3D ResNet")


@of(_mmaction)
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
