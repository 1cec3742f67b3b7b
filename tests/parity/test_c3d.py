"""C3D: the names of its published weights (no reference can be installed)."""

from __future__ import annotations

import torch

from stfw.models.converters.c3d import from_mmaction, from_sports1m
from stfw.models.encoders.c3d import C3D
from tests.parity.classifier import Classifier

SHAPES = {
    "1a": (64, 3),
    "2a": (128, 64),
    "3a": (256, 128),
    "3b": (256, 256),
    "4a": (512, 256),
    "4b": (512, 512),
    "5a": (512, 512),
    "5b": (512, 512),
}


def test_names_of_mmaction_and_of_the_port() -> None:
    with torch.device("meta"):
        expected = {n: t.shape for n, t in Classifier(C3D(), 487).state_dict().items()}
        mmaction, port = {}, {}
        for layer, (wide_out, wide_in) in SHAPES.items():
            weight, bias = torch.empty(wide_out, wide_in, 3, 3, 3), torch.empty(wide_out)
            mmaction[f"backbone.conv{layer}.conv.weight"] = weight
            mmaction[f"backbone.conv{layer}.conv.bias"] = bias
            short = {"1a": "1", "2a": "2"}.get(layer, layer)
            port |= {f"conv{short}.weight": weight, f"conv{short}.bias": bias}
        fc = {"fc6": (4096, 8192), "fc7": (4096, 4096), "fc8": (487, 4096)}
        for layer, shape in fc.items():
            port |= {f"{layer}.weight": torch.empty(shape), f"{layer}.bias": torch.empty(shape[0])}
    for layer, name in (
        ("fc6", "backbone.fc6"),
        ("fc7", "backbone.fc7"),
        ("fc8", "cls_head.fc_cls"),
    ):
        for kind in ("weight", "bias"):
            mmaction[f"{name}.{kind}"] = port[f"{layer}.{kind}"]
    for ours in (from_mmaction(mmaction), from_sports1m(port)):
        assert {name: tensor.shape for name, tensor in ours.items()} == expected


def test_the_order_of_layers_of_the_same_shape_is_kept() -> None:
    names = ("conv4b", "conv5a", "conv5b")
    state = {f"{name}.bias": torch.full((512,), float(i)) for i, name in enumerate(names)}
    ours = from_sports1m(state)
    places = sorted(ours, key=lambda name: int(name.split(".")[2]))
    assert [float(ours[place][0]) for place in places] == [0, 1, 2]
    assert places[0] == "encoder.features.13.bias"
