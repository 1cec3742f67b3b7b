"""VideoMAE gives the logits of transformers' VideoMAE, weights converted."""

from __future__ import annotations

import pytest
import torch

from stfw.models.converters.videomae import from_authors, from_mmaction, from_transformers
from stfw.models.encoders.videomae import VideoMAE
from stfw.models.heads.linear import Linear
from stfw.types import UserError
from tests.parity.reference import assert_equal_logits, needs, randomise


def _theirs() -> torch.nn.Module:
    transformers = needs("transformers")
    config = transformers.VideoMAEConfig(
        image_size=64,
        num_frames=4,
        hidden_size=48,
        num_hidden_layers=3,
        num_attention_heads=3,
        intermediate_size=192,
        num_labels=7,
    )
    return randomise(transformers.VideoMAEForVideoClassification(config))


def _ours(state: dict[str, torch.Tensor]) -> torch.nn.Module:
    encoder = VideoMAE(width=48, depth=3, num_heads=3)
    network = torch.nn.ModuleDict({"encoder": encoder, "head": Linear(48, 7)}).eval()
    network.load_state_dict(state)
    return network


@torch.no_grad()
def test_logits_are_those_of_transformers() -> None:
    theirs = _theirs()
    ours = _ours(from_transformers(theirs.state_dict()))
    x_BCTHW = torch.randn(2, 3, 4, 64, 64)
    logits_BK = ours["head"](ours["encoder"](x_BCTHW)[:, 0])
    expected_BK = theirs(pixel_values=x_BCTHW.transpose(1, 2)).logits
    assert_equal_logits(logits_BK, expected_BK, "transformers VideoMAEForVideoClassification")


def test_the_files_of_the_hub_have_older_names_for_the_biases() -> None:
    state = _theirs().state_dict()
    older = {
        name.replace("query.bias", "q_bias").replace("value.bias", "v_bias"): tensor
        for name, tensor in state.items()
    }
    assert older.keys() != state.keys()
    now, then = from_transformers(state), from_transformers(older)
    assert now.keys() == then.keys()
    assert all(torch.equal(now[name], then[name]) for name in now)


def test_other_namings_have_a_place_for_every_tensor_of_ours() -> None:
    ours = _ours(from_transformers(_theirs().state_dict())).state_dict()
    authors, mmaction = {}, {}
    for name, tensor in ours.items():
        part = name.removeprefix("encoder.")
        part = part if part.startswith("blocks.") else part.replace("norm.", "fc_norm.")
        authors[part.replace("patch.", "patch_embed.proj.").replace("head.fc.", "head.")] = tensor
        part = part.replace("patch.", "patch_embed.projection.")
        part = part.replace("fc1.", "layers.0.0.").replace("fc2.", "layers.1.")
        head = name.startswith("head.")
        mmaction[f"cls_head.fc_cls.{name[8:]}" if head else f"backbone.{part}"] = tensor
    mmaction["backbone.pos_embed"] = torch.zeros(1, 32, 48)
    for found in (from_authors(authors), from_mmaction(mmaction)):
        assert found.keys() == ours.keys()
        assert all(found[name] is tensor for name, tensor in ours.items())


def test_a_foreign_tensor_is_refused_by_name() -> None:
    with pytest.raises(UserError, match=r"blocks\.0\.gamma_1"):
        from_authors({"blocks.0.gamma_1": torch.zeros(1)})
