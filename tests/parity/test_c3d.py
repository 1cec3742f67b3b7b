"""C3D: the names of its published weights, and the sums of the published network.

The authors' network is one of Caffe and MMAction2's needs more than a package, so it is computed
here a second time from the article, section 3.3 and figure 3, with pool5 as in the PyTorch port.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from stfw.models.converters.c3d import from_mmaction, from_sports1m
from stfw.models.encoders.c3d import C3D
from tests.parity.classifier import Classifier, round_trip
from tests.parity.reference import assert_equal_logits

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


PORT = {
    "encoder.features.0.": "conv1.",
    "encoder.features.3.": "conv2.",
    "encoder.features.6.": "conv3a.",
    "encoder.features.8.": "conv3b.",
    "encoder.features.11.": "conv4a.",
    "encoder.features.13.": "conv4b.",
    "encoder.features.16.": "conv5a.",
    "encoder.features.18.": "conv5b.",
    "encoder.fc": "fc",
    "head.fc.": "fc8.",
}


def port(name: str, tensor: Tensor) -> tuple[str, Tensor]:
    for ours, theirs in PORT.items():
        name = name.replace(ours, theirs)
    return name, tensor


def article(state: dict[str, Tensor], x: Tensor) -> Tensor:
    """Logits of a clip of 16 x 112 x 112, at test, where dropout changes nothing."""

    def conv(x: Tensor, layer: str) -> Tensor:
        weight, bias = state[f"conv{layer}.weight"], state[f"conv{layer}.bias"]
        return F.conv3d(x, weight, bias, padding=1).clamp_min(0)

    x = F.max_pool3d(conv(x, "1"), (1, 2, 2), (1, 2, 2))  # time is kept at first
    x = F.max_pool3d(conv(x, "2"), 2, 2)
    x = F.max_pool3d(conv(conv(x, "3a"), "3b"), 2, 2)
    x = F.max_pool3d(conv(conv(x, "4a"), "4b"), 2, 2)
    x = F.pad(conv(conv(x, "5a"), "5b"), (1, 0, 1, 0))  # 0, which no maximum of ReLUs falls below
    x = F.max_pool3d(x, 2, 2).flatten(1)
    for layer in ("fc6", "fc7"):
        x = F.linear(x, state[f"{layer}.weight"], state[f"{layer}.bias"]).clamp_min(0)
    return F.linear(x, state["fc8.weight"], state["fc8.bias"])


def test_logits_are_those_of_the_article() -> None:
    with torch.device("meta"):
        ours = Classifier(C3D(), 7)
    ours.to_empty(device="cpu")
    with torch.no_grad():
        for parameter in ours.parameters():
            parameter.zero_()
    theirs = round_trip(ours, from_sports1m, port)
    x_BCTHW = torch.randn(1, 3, 16, 112, 112, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert_equal_logits(
            ours.eval()(x_BCTHW), article(theirs, x_BCTHW), "C3D's article, computed again"
        )
