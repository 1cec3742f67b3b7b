"""Weights of kenshohara/3D-ResNets-PyTorch."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from stfw.models.converters.renaming import Rule, rename
from stfw.models.origin import Network, Pixels, of

_PIXELS = Pixels((0.4345, 0.4051, 0.3775), (0.2768, 0.2713, 0.2737))
_BLOCK = r"(?:module\.)?(layer\d\.\d+)"


@of(Network("3D-ResNets-PyTorch", _PIXELS, {"time_stride": 1}))
def from_kenshohara(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """``resnet`` and ``resnet2p1d`` (factored) of Hara et al., with or without ``module.``."""
    rules: list[Rule] = [(r"(?:module\.)?fc\.(weight|bias)", r"head.fc.\1")]
    for theirs, ours in {"conv1": "0", "bn1": "1"}.items():
        rules.append((rf"(?:module\.)?{theirs}\.(\w+)", rf"encoder.net.stem.{ours}.\1"))
    for theirs, ours in {"conv1_s": "0", "bn1_s": "1", "conv1_t": "3", "bn1_t": "4"}.items():
        rules.append((rf"(?:module\.)?{theirs}\.(\w+)", rf"encoder.net.stem.{ours}.\1"))
    parts = {"conv{}_s": "0.0", "bn{}_s": "0.1", "conv{}_t": "0.3", "bn{}_t": "1"}
    for theirs, ours in {**parts, "conv{}": "0", "bn{}": "1"}.items():
        name = theirs.format(r"(\d)")
        rules.append((rf"{_BLOCK}\.{name}\.(\w+)", rf"encoder.net.\1.conv\2.{ours}.\3"))
    rules.append((rf"{_BLOCK}\.(downsample\.[01]\.\w+)", r"encoder.net.\1.\2"))
    return rename(state, rules, "3D-ResNets-PyTorch")
