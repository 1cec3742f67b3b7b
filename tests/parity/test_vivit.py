"""ViViT (model 1) gives the logits of transformers' ViViT, weights converted."""

from __future__ import annotations

import re

import torch

from stfw.models.converters.vivit import from_transformers
from stfw.models.encoders.vivit import ViViT
from stfw.models.heads.linear import Linear
from tests.parity.reference import assert_equal_logits, needs, randomise


def _theirs() -> torch.nn.Module:
    transformers = needs("transformers")
    config = transformers.VivitConfig(
        image_size=64,
        num_frames=8,
        hidden_size=48,
        num_hidden_layers=3,
        num_attention_heads=3,
        intermediate_size=192,
        num_labels=7,
    )
    return randomise(transformers.VivitForVideoClassification(config))


@torch.no_grad()
def test_logits_are_those_of_transformers() -> None:
    theirs = _theirs()
    encoder = ViViT(width=48, depth=3, num_heads=3, num_frames=8, crop_size=64)
    ours = torch.nn.ModuleDict({"encoder": encoder, "head": Linear(48, 7)}).eval()
    ours.load_state_dict(from_transformers(theirs.state_dict()))
    x_BCTHW = torch.randn(2, 3, 8, 64, 64)
    logits_BK = ours["head"](ours["encoder"](x_BCTHW)[:, 0])
    expected_BK = theirs(pixel_values=x_BCTHW.transpose(1, 2)).logits
    assert_equal_logits(logits_BK, expected_BK, "transformers VivitForVideoClassification")


def test_the_files_of_the_hub_have_older_names() -> None:
    state = _theirs().state_dict()
    older = {}
    for name, tensor in state.items():
        name = re.sub(r"vivit\.layers\.", "vivit.encoder.layer.", name)
        for letter, word in (("q", "query"), ("k", "key"), ("v", "value")):
            name = name.replace(f"attention.{letter}_proj", f"attention.attention.{word}")
        name = name.replace("attention.o_proj", "attention.output.dense")
        name = name.replace("mlp.fc1", "intermediate.dense").replace("mlp.fc2", "output.dense")
        older[name] = tensor
    now, then = from_transformers(state), from_transformers(older)
    assert now.keys() == then.keys()
    assert all(torch.equal(now[name], then[name]) for name in now)
