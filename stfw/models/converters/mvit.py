"""Published MViT weights -> ``encoder.*`` and ``head.*``, a Linear head."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from stfw.models.converters.attention import join_qkv
from stfw.models.converters.renaming import Rule, rename

_TORCHVISION: list[Rule] = [
    (r"((?:conv_proj|pos_encoding|blocks|norm)\..*)", r"encoder.net.\1"),
    (r"head\.1\.(weight|bias)", r"head.fc.\1"),
]
# SlowFast's names, which PyTorchVideo and MMAction2 follow but for a few
_B = r"(?:backbone\.)?(blocks\.\d+)\."
_SLOWFAST: list[Rule] = [
    (
        r"(?:backbone\.)?patch_embed\.(?:proj|projection|patch_model)\.(weight|bias)",
        r"encoder.net.conv_proj.\1",
    ),
    (
        r"(?:backbone\.|cls_positional_encoding\.)?cls_token",
        "encoder.net.pos_encoding.class_token",
    ),
    (
        r"(?:cls_positional_encoding\.)?pos_embed_(spatial|temporal|class)",
        r"encoder.net.pos_encoding.\1_pos",
    ),
    (_B + r"(norm[12]\.(?:weight|bias))", r"encoder.net.\1.\2"),
    (_B + r"(attn\.(?:qkv|[qkv])\.(?:weight|bias))", r"encoder.net.\1.\2"),
    (_B + r"attn\.proj\.(weight|bias)", r"encoder.net.\1.attn.project.0.\2"),
    (_B + r"attn\.pool_([qkv])\.weight", r"encoder.net.\1.attn.pool_\2.pool.weight"),
    (_B + r"attn\.norm_([qkv])\.(weight|bias)", r"encoder.net.\1.attn.pool_\2.norm_act.0.\3"),
    (_B + r"(attn\.rel_pos_[hwt])", r"encoder.net.\1.\2"),
    (_B + r"mlp\.fc1\.(weight|bias)", r"encoder.net.\1.mlp.0.\2"),
    (_B + r"mlp\.fc2\.(weight|bias)", r"encoder.net.\1.mlp.3.\2"),
    (_B + r"proj\.(weight|bias)", r"encoder.net.\1.project.\2"),
    (r"(?:norm|norm_embed|backbone\.norm3)\.(weight|bias)", r"encoder.net.norm.\1"),
    (r"(?:head\.(?:proj|projection)|cls_head\.fc_cls)\.(weight|bias)", r"head.fc.\1"),
]


def from_torchvision(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Of ``mvit_v1_b`` and ``mvit_v2_s``."""
    return rename(state, _TORCHVISION, "torchvision")


def from_slowfast(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Of SlowFast's MViT and MViTv2."""
    return _slowfast(state, "SlowFast")


def from_pytorchvideo(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Of ``mvit_base_16x4`` and ``mvit_base_32x3``."""
    return _slowfast(state, "pytorchvideo")


def from_mmaction(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Of MMAction2's ``MViT``."""
    return _slowfast(state, "mmaction")


def _slowfast(state: Mapping[str, Tensor], source: str) -> dict[str, Tensor]:
    ours = join_qkv(rename(state, _SLOWFAST, source), source)
    for name in ours:
        if name.endswith(("class_token", "class_pos")):
            ours[name] = ours[name].reshape(-1)
        elif name.endswith(("spatial_pos", "temporal_pos")):
            ours[name] = ours[name].squeeze(0)
    return ours
