"""Published ViViT weights -> ``encoder.*`` and ``head.*``, model 1 and a Linear head."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from stfw.models.converters.attention import join_qkv
from stfw.models.converters.renaming import Rule, rename
from stfw.models.origin import HALVES, Network, of

# files on the hub are named as before version 5, where layers stood below `encoder.layer`
_HF = r"vivit\.(?:encoder\.layer|layers)\.(\d+)\."
_TRANSFORMERS: list[Rule] = [
    (r"vivit\.embeddings\.cls_token", "encoder.space.class_token"),
    (r"vivit\.embeddings\.position_embeddings", "encoder.space.positions"),
    (r"vivit\.embeddings\.patch_embeddings\.projection\.(weight|bias)", r"encoder.patch.\1"),
    (
        _HF + r"attention\.(?:attention\.)?([qkv])(?:uery|ey|alue|_proj)\.(weight|bias)",
        r"encoder.space.blocks.\1.attn.\2.\3",
    ),
    (
        _HF + r"attention\.(?:output\.dense|o_proj)\.(weight|bias)",
        r"encoder.space.blocks.\1.attn.proj.\2",
    ),
    (_HF + r"layernorm_before\.(weight|bias)", r"encoder.space.blocks.\1.norm1.\2"),
    (_HF + r"layernorm_after\.(weight|bias)", r"encoder.space.blocks.\1.norm2.\2"),
    (
        _HF + r"(?:intermediate\.dense|mlp\.fc1)\.(weight|bias)",
        r"encoder.space.blocks.\1.mlp.fc1.\2",
    ),
    (_HF + r"(?:output\.dense|mlp\.fc2)\.(weight|bias)", r"encoder.space.blocks.\1.mlp.fc2.\2"),
    (r"vivit\.layernorm\.(weight|bias)", r"encoder.space.norm.\1"),
    (r"vivit\.pooler\.dense\.(weight|bias)", None),  # a layer that the classifier does not use
    (r"classifier\.(weight|bias)", r"head.fc.\1"),
]


def _transformers(state: Mapping[str, Tensor]) -> list[Network]:
    wide = state["vivit.embeddings.cls_token"].shape[-1] > 768
    return [Network("transformers' ViViT", HALVES, {"num_heads": 16 if wide else 12})]


@of(_transformers)
def from_transformers(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Of ``VivitForVideoClassification``, in files of today and of before version 5."""
    ours = join_qkv(rename(state, _TRANSFORMERS, "transformers"), "transformers")
    positions = "encoder.space.positions"
    return {name: t.squeeze(0) if name == positions else t for name, t in ours.items()}
