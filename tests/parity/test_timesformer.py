"""TimeSformer gives the logits of transformers' TimeSformer, weights converted."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from stfw.models.converters.timesformer import from_authors, from_mmaction, from_transformers
from stfw.models.encoders.timesformer import TimeSformer
from stfw.models.heads.linear import Linear
from tests.parity.reference import assert_equal_logits, needs, randomise

THEIR_NAMES = {"divided": "divided_space_time", "joint": "joint_space_time", "space": "space_only"}


def _theirs(attention: str) -> torch.nn.Module:
    transformers = needs("transformers")
    config = transformers.TimesformerConfig(
        image_size=64,
        num_frames=4,
        hidden_size=48,
        num_hidden_layers=3,
        num_attention_heads=3,
        intermediate_size=192,
        num_labels=7,
        attention_type=THEIR_NAMES[attention],
    )
    return randomise(transformers.TimesformerForVideoClassification(config))


def _ours(attention: Any, state: dict[str, torch.Tensor]) -> torch.nn.Module:
    encoder = TimeSformer(
        attention=attention, width=48, depth=3, num_heads=3, num_frames=4, crop_size=64
    )
    network = torch.nn.ModuleDict({"encoder": encoder, "head": Linear(48, 7)}).eval()
    network.load_state_dict(state)
    return network


@pytest.mark.parametrize("attention", THEIR_NAMES)
@torch.no_grad()
def test_logits_are_those_of_transformers(attention: str) -> None:
    theirs = _theirs(attention)
    ours = _ours(attention, from_transformers(theirs.state_dict()))
    x_BCTHW = torch.randn(2, 3, 4, 64, 64)
    logits_BK = ours["head"](ours["encoder"](x_BCTHW)[:, 0])
    pixels_BTCHW = x_BCTHW.transpose(1, 2)
    if attention == "space":  # transformers forgets the mean over frames, which comes before norm
        hidden_FSD = theirs.timesformer.encoder(theirs.timesformer.embeddings(pixels_BTCHW))[0]
        class_BD = hidden_FSD[:, 0].unflatten(0, (2, 4)).mean(dim=1)
        expected_BK = theirs.classifier(theirs.timesformer.layernorm(class_BD))
    else:
        expected_BK = theirs(pixel_values=pixels_BTCHW).logits
    assert_equal_logits(logits_BK, expected_BK, f"transformers Timesformer, {attention}")


AUTHORS = {
    "head.fc.": "model.head.",
    "encoder.norm.": "model.norm.",
    "encoder.patch.": "model.patch_embed.proj.",
    "encoder.class_token": "model.cls_token",
    "encoder.positions": "model.pos_embed",
    "encoder.time_positions": "model.time_embed",
    "encoder.blocks.": "model.blocks.",
    "time_norm.": "temporal_norm1.",
    "time_attn.": "temporal_attn.",
    "time_fc.": "temporal_fc.",
}
MMACTION = {
    "head.fc.": "cls_head.fc_cls.",
    "encoder.": "backbone.",
    "backbone.patch.": "backbone.patch_embed.projection.",
    "class_token": "cls_token",
    "time_positions": "time_embed",
    "positions": "pos_embed",
    "backbone.blocks.": "backbone.transformer_layers.layers.",
    "mlp.fc1.": "ffns.0.layers.0.0.",
    "mlp.fc2.": "ffns.0.layers.1.",
    "time_fc.": "attentions.0.temporal_fc.",
    "time_attn.": "attentions.0.attn.",
    "time_norm.": "attentions.0.norm.",
    "qkv.": "in_proj_",
    "attn.proj.": "attn.out_proj.",
}


def _renamed(state: dict[str, torch.Tensor], table: dict[str, str]) -> dict[str, torch.Tensor]:
    found = {}
    for name, tensor in state.items():
        for old, new in table.items():
            name = name.replace(old, new)
        found[name] = tensor[None] if name.endswith(("pos_embed", "time_embed")) else tensor
    return found


@pytest.mark.parametrize("attention", THEIR_NAMES)
def test_other_namings_have_a_place_for_every_tensor_of_ours(attention: str) -> None:
    ours = _ours(attention, from_transformers(_theirs(attention).state_dict())).state_dict()
    divided = attention == "divided"
    spread = {}
    for name, tensor in ours.items():  # attention over space, before the rest is renamed
        spread[name.replace(".attn.", ".SPACE.attn.")] = tensor
    table = {".SPACE.": ".attentions.1." if divided else ".attentions.0.", **MMACTION}
    table["norm1."] = "attentions.1.norm." if divided else "norms.0."
    table["norm2."] = "ffns.0.norm." if divided else "norms.1."
    mmaction = _renamed(spread, table)
    for found in (from_authors(_renamed(ours, AUTHORS)), from_mmaction(mmaction)):
        assert found.keys() == ours.keys()
        assert all(torch.equal(found[name], tensor) for name, tensor in ours.items())
