"""3D ResNets of Hara et al.: their names and their sums.

The authors' code is no package, so the network is computed here a second time from their names.
"""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from stfw.models.converters.resnet3d_hara import from_kenshohara
from stfw.models.encoders.resnet3d_hara import ResNet3dHara
from tests.parity.classifier import Classifier, round_trip
from tests.parity.reference import assert_equal_logits


def foreign(name: str, tensor: Tensor) -> tuple[str, Tensor]:
    name = name.replace("encoder.net.", "").replace("head.", "")
    name = name.replace("stem.0", "conv1").replace("stem.1", "bn1")
    for number in "123":
        name = name.replace(f".conv{number}.0.", f".conv{number}.")
        name = name.replace(f".conv{number}.1.", f".bn{number}.")
    return f"module.{name}", tensor


def factored(name: str, tensor: Tensor) -> tuple[str, Tensor]:
    name = name.replace("encoder.net.", "").replace("head.", "")
    for place, part in {"0": "conv1_s", "1": "bn1_s", "3": "conv1_t", "4": "bn1_t"}.items():
        name = name.replace(f"stem.{place}.", f"{part}.")
    for n in "12":
        parts = {"0.0": f"conv{n}_s", "0.1": f"bn{n}_s", "0.3": f"conv{n}_t", "1": f"bn{n}_t"}
        for place, part in parts.items():
            name = name.replace(f".conv{n}.{place}.", f".{part}.")
    return name, tensor


def hara(state: dict[str, Tensor], x: Tensor, shortcut: str) -> Tensor:
    """ResNet-10 from the authors' names."""

    def conv_norm(x: Tensor, conv: str, norm: str, stride: int | tuple[int, ...]) -> Tensor:
        weight = state[f"module.{conv}.weight"]
        x = F.conv3d(x, weight, stride=stride, padding=[k // 2 for k in weight.shape[2:]])
        stats = ("running_mean", "running_var", "weight", "bias")
        return F.batch_norm(x, *[state[f"module.{norm}.{name}"] for name in stats])

    x = F.max_pool3d(conv_norm(x, "conv1", "bn1", (1, 2, 2)).relu(), 3, 2, 1)
    for number in range(1, 5):
        layer, stride = f"layer{number}.0", 1 if number == 1 else 2
        y = conv_norm(x, f"{layer}.conv1", f"{layer}.bn1", stride).relu()
        y = conv_norm(y, f"{layer}.conv2", f"{layer}.bn2", 1)
        if number > 1 and shortcut == "B":
            x = conv_norm(x, f"{layer}.downsample.0", f"{layer}.downsample.1", 2)
        elif number > 1:
            x = F.avg_pool3d(x, 1, stride=2)
            x = torch.cat([x, torch.zeros_like(x)], dim=1)
        x = (x + y).relu()
    return F.linear(x.mean((2, 3, 4)), state["module.fc.weight"], state["module.fc.bias"])


@pytest.mark.parametrize("shortcut", ["A", "B"])
def test_names_and_logits(shortcut: str) -> None:
    ours = Classifier(ResNet3dHara(depth=10, shortcut=shortcut), 5)  # type: ignore[arg-type]
    theirs = round_trip(ours, from_kenshohara, foreign)
    x_BCTHW = torch.randn(2, 3, 16, 56, 56)
    with torch.no_grad():
        expected_BK = hara(theirs, x_BCTHW, shortcut)
        assert_equal_logits(ours.eval()(x_BCTHW), expected_BK, "Hara et al., computed again")


def test_names_of_the_factored_network() -> None:
    names = round_trip(
        Classifier(ResNet3dHara(depth=10, factored=True), 5), from_kenshohara, factored
    )
    assert {"conv1_t.weight", "layer2.0.bn2_s.bias", "layer2.0.downsample.0.weight"} <= set(names)


def test_names_of_bottlenecks() -> None:
    with torch.device("meta"):
        names = set(Classifier(ResNet3dHara(depth=50), 3).state_dict())
    theirs = dict(foreign(name, torch.empty(0)) for name in names)
    assert "module.layer3.5.bn3.running_mean" in theirs
    assert set(from_kenshohara(theirs)) == names
