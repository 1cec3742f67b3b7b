"""Published MViT weights -> ``encoder.*`` and ``head.*``, a Linear head."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from stfw.models.converters.attention import join_qkv
from stfw.models.converters.renaming import Rule, rename
from stfw.models.origin import GRAY, Network, of

_TORCHVISION: list[Rule] = [
    (r"((?:conv_proj|pos_encoding|blocks|norm)\..*)", r"encoder.net.\1"),
    (r"head\.1\.(weight|bias)", r"head.fc.\1"),
]
# a block's names, the same at PySlowFast, PyTorchVideo and MMAction2
_BLOCK: list[Rule] = [
    (r"(norm[12]\.(?:weight|bias))", r"\2"),
    (r"(attn\.(?:qkv|[qkv])\.(?:weight|bias))", r"\2"),
    (r"attn\.proj\.(weight|bias)", r"attn.project.0.\2"),
    (r"attn\.pool_([qkv])\.weight", r"attn.pool_\2.pool.weight"),
    (r"attn\.norm_([qkv])\.(weight|bias)", r"attn.pool_\2.norm_act.0.\3"),
    (r"(attn\.rel_pos_[hwt])", r"\2"),
    (r"mlp\.fc1\.(weight|bias)", r"mlp.0.\2"),
    (r"mlp\.fc2\.(weight|bias)", r"mlp.3.\2"),
    (r"proj\.(weight|bias)", r"project.\2"),
]


@of(Network("torchvision's MViT", GRAY))
def from_torchvision(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Of ``mvit_v1_b`` and ``mvit_v2_s``."""
    return rename(state, _TORCHVISION, "torchvision")


@of(Network("PySlowFast's MViT", GRAY))
def from_slowfast(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Of PySlowFast's MViT and MViTv2."""
    return _convert(state, "", "patch_embed.proj", "", "norm", "head.projection", "PySlowFast")


@of(Network("PyTorchVideo's MViT", GRAY))
def from_pytorchvideo(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Of ``mvit_base_16x4`` and ``mvit_base_32x3``."""
    return _convert(
        state,
        "",
        "patch_embed.patch_model",
        "cls_positional_encoding.",
        "norm_embed",
        "head.proj",
        "PyTorchVideo",
    )


@of(
    Network(
        "MMAction2's MViT",
        GRAY,
        note="ported from PySlowFast; trained by MMAction2 itself, it saw ImageNet's",
    )
)
def from_mmaction(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Of MMAction2's ``MViT``."""
    return _convert(
        state,
        "backbone.",
        "patch_embed.projection",
        "",
        "norm3",
        "cls_head.fc_cls",
        "mmaction",
    )


def _convert(
    state: Mapping[str, Tensor],
    backbone: str,
    patch: str,
    positions: str,
    norm: str,
    head: str,
    source: str,
) -> dict[str, Tensor]:
    """Renames; the strings are beginnings of foreign names, below ``backbone`` but for the head."""
    body, place = re.escape(backbone), re.escape(positions)
    rules: list[Rule] = [
        (rf"{body}{re.escape(patch)}\.(weight|bias)", r"encoder.net.conv_proj.\1"),
        (rf"{body}{place}cls_token", "encoder.net.pos_encoding.class_token"),
        (
            rf"{body}{place}pos_embed_(spatial|temporal|class)",
            r"encoder.net.pos_encoding.\1_pos",
        ),
        (rf"{body}{norm}\.(weight|bias)", r"encoder.net.norm.\1"),
        (rf"{re.escape(head)}\.(weight|bias)", r"head.fc.\1"),
    ]
    rules += [(rf"{body}(blocks\.\d+)\.{old}", rf"encoder.net.\1.{new}") for old, new in _BLOCK]
    ours = join_qkv(rename(state, rules, source), source)
    for name in ours:
        if name.endswith(("class_token", "class_pos")):
            ours[name] = ours[name].reshape(-1)
        elif name.endswith(("spatial_pos", "temporal_pos")):
            ours[name] = ours[name].squeeze(0)
    return ours
