"""Published Video Swin weights -> ``encoder.*`` and ``head.*``, a Linear head."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from stfw.models.converters.renaming import Rule, rename
from stfw.models.origin import IMAGENET, Network, of

_TORCHVISION: list[Rule] = [
    (r"((?:patch_embed|features|norm)\..*)", r"encoder.net.\1"),
    (r"head\.(weight|bias)", r"head.fc.\1"),
]


@of(Network("torchvision's Video Swin", IMAGENET))
def from_torchvision(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Of ``swin3d_t``, ``swin3d_s`` and ``swin3d_b``."""
    return rename(state, _TORCHVISION, "torchvision")


@of(Network("Video Swin of its authors", IMAGENET))
def from_authors(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Of the authors' ``SwinTransformer3D`` (``SwinTransformer/Video-Swin-Transformer``)."""
    return _authors(state, "norm", "Video-Swin-Transformer")


@of(Network("MMAction2's Video Swin", IMAGENET))
def from_mmaction(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Of MMAction2's ``SwinTransformer3D``, which has the last norm under another name."""
    return _authors(state, "norm3", "mmaction")


def _authors(state: Mapping[str, Tensor], norm: str, source: str) -> dict[str, Tensor]:
    rules: list[Rule] = [
        (r"backbone\.(patch_embed\..*)", r"encoder.net.\1"),
        (rf"backbone\.{norm}\.(weight|bias)", r"encoder.net.norm.\1"),
        (r"cls_head\.fc_cls\.(weight|bias)", r"head.fc.\1"),
    ]
    for stage in range(4):  # torchvision counts a stage and the merging after it
        old, new = rf"backbone\.layers\.{stage}\.", f"encoder.net.features.{2 * stage}"
        merging = f"encoder.net.features.{2 * stage + 1}"
        rules += [
            (old + r"blocks\.(\d+)\.((?:norm[12]|attn)\..*)", rf"{new}.\1.\2"),
            (old + r"blocks\.(\d+)\.mlp\.fc1\.(weight|bias)", rf"{new}.\1.mlp.0.\2"),
            (old + r"blocks\.(\d+)\.mlp\.fc2\.(weight|bias)", rf"{new}.\1.mlp.3.\2"),
            (old + r"downsample\.(.*)", rf"{merging}.\1"),
        ]
    return rename(state, rules, source)
