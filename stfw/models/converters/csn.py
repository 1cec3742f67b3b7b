"""Weights of other people's channel-separated networks -> ``CSN``."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from stfw.models.converters import resnet3d
from stfw.models.converters.renaming import FOREIGN_HEAD, Rule, rename
from stfw.models.origin import GRAY, KINETICS, Network, of


@of(Network("PyTorchVideo's CSN", GRAY, {"bn_eps": 1e-5}))
def from_pytorchvideo(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """``csn_r101`` of PyTorchVideo."""
    return resnet3d.from_pytorchvideo(state)


@of(Network("MMAction2's CSN", KINETICS, {"bn_eps": 1e-3}))
def from_mmaction(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """``ResNet3dCSN`` of MMAction2, ir and ip."""
    rules: list[Rule] = [
        (r"backbone\.conv1\.(conv|bn)\.(\w+)", r"encoder.stem.\1.\2"),
        FOREIGN_HEAD,
    ]
    preserved = any(".conv2.1." in name for name in state)
    for i in resnet3d.STAGES:
        theirs, ours = rf"backbone\.layer{i + 1}", f"encoder.stages.{i}"
        first = "b.mix" if preserved else "b"
        rules += [
            (rf"{theirs}\.(\d+)\.conv2\.0\.(conv|bn)\.(\w+)", rf"{ours}.\1.{first}.\2.\3"),
            (rf"{theirs}\.(\d+)\.conv2\.1\.(conv|bn)\.(\w+)", rf"{ours}.\1.b.depthwise.\2.\3"),
            *resnet3d.mmaction_blocks(theirs, ours),
        ]
    return rename(state, rules, "MMAction2's CSN")
