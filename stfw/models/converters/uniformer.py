"""Published UniFormer weights -> ``encoder.*`` and ``head.*``, a Linear head."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from stfw.models.converters.renaming import Rule, rename
from stfw.models.origin import GRAY, Network, of

_LOCAL = {  # names of a block of the first two stages
    "norm1": "attn.0",
    "conv1": "attn.1",
    "attn": "attn.2",
    "conv2": "attn.3",
    "norm2": "mlp.0",
    "mlp.fc1": "mlp.1",
    "mlp.fc2": "mlp.3",
}


@of(Network("UniFormer of its authors", GRAY, {"head_width": 64}))
def from_authors(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Of the authors' networks (``Sense-X/UniFormer``, video classification)."""
    return rename(state, _rules("", r"head"), "UniFormer")


@of(Network("MMAction2's UniFormer", GRAY, {"head_width": 64}))
def from_mmaction(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Of MMAction2's ``UniFormer``."""
    return rename(state, _rules(r"backbone\.", r"cls_head\.fc_cls"), "mmaction")


def _rules(prefix: str, head: str) -> list[Rule]:
    rules: list[Rule] = [
        (prefix + r"(norm\.\w+)", r"encoder.\1"),
        (head + r"\.(weight|bias)", r"head.fc.\1"),
    ]
    for stage in range(4):
        ours = f"encoder.stages.{stage}"
        block = prefix + rf"blocks{stage + 1}\.(\d+)\."
        rules += [
            (prefix + rf"patch_embed{stage + 1}\.((?:proj|norm)\.\w+)", rf"{ours}.0.\1"),
            (block + r"pos_embed\.(\w+)", rf"{ours}.1.\1.position.\2"),
        ]
        if stage < 2:
            rules += [
                (block + old.replace(".", r"\.") + r"\.(\w+)", rf"{ours}.1.\1.{new}.\2")
                for old, new in _LOCAL.items()
            ]
        else:
            rules.append((block + r"((?:norm[12]|attn|mlp)\..*)", rf"{ours}.1.\1.\2"))
    return rules
