"""Published TimeSformer weights -> ``encoder.*`` and ``head.*``, a Linear head."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from stfw.models.converters.renaming import Rule, rename
from stfw.models.origin import GRAY, HALVES, Network, of

_HEADS = {"num_heads": 12}
_HF = r"timesformer\.encoder\.layer\.(\d+)\."
_TRANSFORMERS: list[Rule] = [
    (r"timesformer\.embeddings\.cls_token", "encoder.class_token"),
    (r"timesformer\.embeddings\.position_embeddings", "encoder.positions"),
    (r"timesformer\.embeddings\.time_embeddings", "encoder.time_positions"),
    (r"timesformer\.embeddings\.patch_embeddings\.projection\.(weight|bias)", r"encoder.patch.\1"),
    (_HF + r"attention\.attention\.qkv\.(weight|bias)", r"encoder.blocks.\1.attn.qkv.\2"),
    (_HF + r"attention\.output\.dense\.(weight|bias)", r"encoder.blocks.\1.attn.proj.\2"),
    (
        _HF + r"temporal_attention\.attention\.qkv\.(weight|bias)",
        r"encoder.blocks.\1.time_attn.qkv.\2",
    ),
    (
        _HF + r"temporal_attention\.output\.dense\.(weight|bias)",
        r"encoder.blocks.\1.time_attn.proj.\2",
    ),
    (_HF + r"temporal_layernorm\.(weight|bias)", r"encoder.blocks.\1.time_norm.\2"),
    (_HF + r"temporal_dense\.(weight|bias)", r"encoder.blocks.\1.time_fc.\2"),
    (_HF + r"layernorm_before\.(weight|bias)", r"encoder.blocks.\1.norm1.\2"),
    (_HF + r"layernorm_after\.(weight|bias)", r"encoder.blocks.\1.norm2.\2"),
    (_HF + r"intermediate\.dense\.(weight|bias)", r"encoder.blocks.\1.mlp.fc1.\2"),
    (_HF + r"output\.dense\.(weight|bias)", r"encoder.blocks.\1.mlp.fc2.\2"),
    (r"timesformer\.layernorm\.(weight|bias)", r"encoder.norm.\1"),
    (r"classifier\.(weight|bias)", r"head.fc.\1"),
]
_B = r"(?:model\.)?blocks\.(\d+)\."
_AUTHORS: list[Rule] = [
    (r"(?:model\.)?cls_token", "encoder.class_token"),
    (r"(?:model\.)?pos_embed", "encoder.positions"),
    (r"(?:model\.)?time_embed", "encoder.time_positions"),
    (r"(?:model\.)?patch_embed\.proj\.(weight|bias)", r"encoder.patch.\1"),
    (_B + r"((?:attn|mlp)\.\w+\.(?:weight|bias))", r"encoder.blocks.\1.\2"),
    (_B + r"(norm[12]\.(?:weight|bias))", r"encoder.blocks.\1.\2"),
    (_B + r"temporal_attn\.(\w+\.(?:weight|bias))", r"encoder.blocks.\1.time_attn.\2"),
    (_B + r"temporal_norm1\.(weight|bias)", r"encoder.blocks.\1.time_norm.\2"),
    (_B + r"temporal_fc\.(weight|bias)", r"encoder.blocks.\1.time_fc.\2"),
    (r"(?:model\.)?norm\.(weight|bias)", r"encoder.norm.\1"),
    (r"(?:model\.)?head\.(weight|bias)", r"head.fc.\1"),
]
_MM = r"backbone\.transformer_layers\.layers\.(\d+)\."
_MMACTION: list[Rule] = [
    (r"backbone\.cls_token", "encoder.class_token"),
    (r"backbone\.pos_embed", "encoder.positions"),
    (r"backbone\.time_embed", "encoder.time_positions"),
    (r"backbone\.patch_embed\.projection\.(weight|bias)", r"encoder.patch.\1"),
    (_MM + r"TIME\.attn\.in_proj_(weight|bias)", r"encoder.blocks.\1.time_attn.qkv.\2"),
    (_MM + r"TIME\.attn\.out_proj\.(weight|bias)", r"encoder.blocks.\1.time_attn.proj.\2"),
    (_MM + r"TIME\.norm\.(weight|bias)", r"encoder.blocks.\1.time_norm.\2"),
    (_MM + r"TIME\.temporal_fc\.(weight|bias)", r"encoder.blocks.\1.time_fc.\2"),
    (_MM + r"SPACE\.attn\.in_proj_(weight|bias)", r"encoder.blocks.\1.attn.qkv.\2"),
    (_MM + r"SPACE\.attn\.out_proj\.(weight|bias)", r"encoder.blocks.\1.attn.proj.\2"),
    (_MM + r"(?:SPACE\.norm|norms\.0)\.(weight|bias)", r"encoder.blocks.\1.norm1.\2"),
    (_MM + r"(?:ffns\.0\.norm|norms\.1)\.(weight|bias)", r"encoder.blocks.\1.norm2.\2"),
    (_MM + r"ffns\.0\.layers\.0\.0\.(weight|bias)", r"encoder.blocks.\1.mlp.fc1.\2"),
    (_MM + r"ffns\.0\.layers\.1\.(weight|bias)", r"encoder.blocks.\1.mlp.fc2.\2"),
    (r"backbone\.norm\.(weight|bias)", r"encoder.norm.\1"),
    (r"cls_head\.fc_cls\.(weight|bias)", r"head.fc.\1"),
]


@of(Network("transformers' TimeSformer", GRAY, _HEADS))
def from_transformers(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Of ``TimesformerForVideoClassification``, any of its three attentions."""
    return _flat(rename(state, _TRANSFORMERS, "transformers"))


@of(Network("TimeSformer of its authors", GRAY, _HEADS))
def from_authors(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Of the authors' networks (``facebookresearch/TimeSformer``)."""
    return _flat(rename(state, _AUTHORS, "TimeSformer"))


@of(Network("MMAction2's TimeSformer", HALVES, _HEADS))
def from_mmaction(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Of MMAction2's ``TimeSformer``; divided, it has two attentions a block, else one."""
    divided = any(".attentions.1." in name for name in state)
    time, space = (r"attentions\.0", r"attentions\.1") if divided else ("(?!)", r"attentions\.0")
    rules = [(old.replace("TIME", time).replace("SPACE", space), new) for old, new in _MMACTION]
    return _flat(rename(state, rules, "mmaction"))


def _flat(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Positions without the leading 1."""
    return {name: t.squeeze(0) if name.endswith("positions") else t for name, t in state.items()}
