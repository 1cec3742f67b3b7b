"""UniFormer's weights under the names of its authors and of MMAction2 find their places."""

from __future__ import annotations

import torch

from stfw.models.converters.uniformer import from_authors, from_mmaction
from stfw.models.encoders.uniformer import UniFormer
from stfw.models.heads.linear import Linear

LOCAL = ("norm1", "conv1", "attn", "conv2", "norm2", "mlp.fc1", "mlp.fc2")
GLOBAL = ("norm1", "attn.qkv", "attn.proj", "norm2", "mlp.fc1", "mlp.fc2")


def _names() -> list[str]:
    """Every tensor of a UniFormer of two blocks a stage, as its authors name them."""
    statistics = ("running_mean", "running_var", "num_batches_tracked")
    names = ["head.weight", "head.bias", "norm.weight", "norm.bias"]
    names += [f"norm.{part}" for part in statistics]
    for stage in range(1, 5):
        for layer in ("proj", "norm"):
            names += [f"patch_embed{stage}.{layer}.weight", f"patch_embed{stage}.{layer}.bias"]
        for number in range(2):
            block = f"blocks{stage}.{number}"
            for layer in ("pos_embed", *(LOCAL if stage < 3 else GLOBAL)):
                names += [f"{block}.{layer}.weight", f"{block}.{layer}.bias"]
                if stage < 3 and layer.startswith("norm"):
                    names += [f"{block}.{layer}.{part}" for part in statistics]
    return names


def test_every_name_has_its_place_and_every_place_its_name() -> None:
    encoder = UniFormer(depths=(2, 2, 2, 2))
    network = torch.nn.ModuleDict({"encoder": encoder, "head": Linear(512, 7)})
    authors = {name: torch.zeros(1) for name in _names()}
    mmaction = {
        name.replace("head.", "cls_head.fc_cls.") if name[0] == "h" else f"backbone.{name}": tensor
        for name, tensor in authors.items()
    }
    for found in (from_authors(authors), from_mmaction(mmaction)):
        assert found.keys() == network.state_dict().keys()


def test_a_local_block_goes_where_its_layers_are() -> None:
    names = {"blocks1.1.conv2.weight", "blocks2.0.mlp.fc2.bias", "blocks4.1.attn.qkv.weight"}
    found = from_authors({name: torch.zeros(1) for name in names})
    assert found.keys() == {
        "encoder.stages.0.1.1.attn.3.weight",
        "encoder.stages.1.1.0.mlp.3.bias",
        "encoder.stages.3.1.1.attn.qkv.weight",
    }
