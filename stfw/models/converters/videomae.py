"""Published VideoMAE weights -> ``encoder.*`` and ``head.*``, a Linear head."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor

from stfw.models.converters.attention import join_qkv
from stfw.models.converters.renaming import Rule, rename
from stfw.models.origin import IMAGENET, Network, of

_HEADS = {384: 6, 768: 12, 1024: 16, 1280: 16, 1408: 16}  # width to heads
_HF = r"videomae\.encoder\.layer\.(\d+)\."
_TRANSFORMERS: list[Rule] = [
    (
        r"videomae\.embeddings\.patch_embeddings\.projection\.(weight|bias)",
        r"encoder.patch.\1",
    ),
    (r"videomae\.embeddings\.position_embeddings", None),  # fixed
    (_HF + r"attention\.attention\.(?:query\.|q_)bias", r"encoder.blocks.\1.attn.q_bias"),
    (_HF + r"attention\.attention\.(?:value\.|v_)bias", r"encoder.blocks.\1.attn.v_bias"),
    (
        _HF + r"attention\.attention\.([qkv])(?:uery|ey|alue)\.weight",
        r"encoder.blocks.\1.attn.\2.weight",
    ),
    (_HF + r"attention\.output\.dense\.(weight|bias)", r"encoder.blocks.\1.attn.proj.\2"),
    (_HF + r"layernorm_before\.(weight|bias)", r"encoder.blocks.\1.norm1.\2"),
    (_HF + r"layernorm_after\.(weight|bias)", r"encoder.blocks.\1.norm2.\2"),
    (_HF + r"intermediate\.dense\.(weight|bias)", r"encoder.blocks.\1.mlp.fc1.\2"),
    (_HF + r"output\.dense\.(weight|bias)", r"encoder.blocks.\1.mlp.fc2.\2"),
    (r"fc_norm\.(weight|bias)", r"encoder.norm.\1"),
    (r"classifier\.(weight|bias)", r"head.fc.\1"),
]
_SAME = (
    r"(blocks\.\d+\.(?:norm[12]\.(?:weight|bias)|attn\.(?:[qv]_bias|qkv\.weight|proj\.\w+)))",
    r"encoder.\1",
)
_AUTHORS: list[Rule] = [
    (r"patch_embed\.proj\.(weight|bias)", r"encoder.patch.\1"),
    (r"pos_embed", None),  # fixed
    _SAME,
    (r"(blocks\.\d+\.mlp\.fc[12]\.(?:weight|bias))", r"encoder.\1"),
    (r"fc_norm\.(weight|bias)", r"encoder.norm.\1"),
    (r"head\.(weight|bias)", r"head.fc.\1"),
]
_MMACTION: list[Rule] = [
    (r"backbone\.patch_embed\.projection\.(weight|bias)", r"encoder.patch.\1"),
    (r"backbone\.pos_embed", None),  # fixed
    (r"backbone\." + _SAME[0], _SAME[1]),
    (r"backbone\.(blocks\.\d+\.mlp)\.layers\.0\.0\.(weight|bias)", r"encoder.\1.fc1.\2"),
    (r"backbone\.(blocks\.\d+\.mlp)\.layers\.1\.(weight|bias)", r"encoder.\1.fc2.\2"),
    (r"backbone\.fc_norm\.(weight|bias)", r"encoder.norm.\1"),
    (r"cls_head\.fc_cls\.(weight|bias)", r"head.fc.\1"),
]


def _of_width(name: str, patch: str) -> Callable[[Mapping[str, Tensor]], list[Network]]:
    """The published networks, whose number of heads follows from their width."""

    def networks(state: Mapping[str, Tensor]) -> list[Network]:
        heads = _HEADS.get(int(state[patch].shape[0]))
        return [Network(name, IMAGENET, {"num_heads": heads} if heads else {})]

    return networks


@of(_of_width("transformers' VideoMAE", "videomae.embeddings.patch_embeddings.projection.weight"))
def from_transformers(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Of ``VideoMAEForVideoClassification``, in files of today and of before version 5."""
    return join_qkv(rename(state, _TRANSFORMERS, "transformers"), "transformers")


@of(_of_width("VideoMAE of its authors", "patch_embed.proj.weight"))
def from_authors(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Of the authors' fine-tuned networks (``MCG-NJU/VideoMAE``, also version 2)."""
    return rename(state, _AUTHORS, "VideoMAE")


@of(_of_width("MMAction2's VideoMAE", "backbone.patch_embed.projection.weight"))
def from_mmaction(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Of MMAction2's ``VisionTransformer`` (VideoMAE and VideoMAE V2)."""
    return rename(state, _MMACTION, "mmaction")
