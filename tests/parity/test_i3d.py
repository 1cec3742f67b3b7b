"""I3D: the names of the two published sets of weights, and the sums of the published network.

Neither pytorch-i3d nor TensorFlow's kinetics-i3d can be installed, so the network is computed here
a second time, from the foreign names alone, with padding by its definition.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from stfw.models.converters.i3d import from_deepmind, from_pytorch_i3d
from stfw.models.encoders.i3d import I3D
from tests.parity.classifier import Classifier, round_trip
from tests.parity.reference import assert_equal_logits

PORT = {
    "conv1a": "Conv3d_1a_7x7",
    "conv2b": "Conv3d_2b_1x1",
    "conv2c": "Conv3d_2c_3x3",
    "branch0": "b0",
    "branch1.0": "b1a",
    "branch1.1": "b1b",
    "branch2.0": "b2a",
    "branch2.1": "b2b",
    "branch3.1": "b3b",
}
SCOPES = {
    "conv1a": "Conv3d_1a_7x7",
    "conv2b": "Conv3d_2b_1x1",
    "conv2c": "Conv3d_2c_3x3",
    "branch0": "Branch_0/Conv3d_0a_1x1",
    "branch1.0": "Branch_1/Conv3d_0a_1x1",
    "branch1.1": "Branch_1/Conv3d_0b_3x3",
    "branch2.0": "Branch_2/Conv3d_0a_1x1",
    "branch2.1": "Branch_2/Conv3d_0b_3x3",
    "branch3.1": "Branch_3/Conv3d_0b_1x1",
}
BLOCKS = ["3b", "3c", "4b", "4c", "4d", "4e", "4f", "5b", "5c"]


def port(name: str, tensor: Tensor) -> tuple[str, Tensor]:
    if name.startswith("head.fc"):
        kernel = tensor[:, :, None, None, None] if tensor.ndim == 2 else tensor
        return name.replace("head.fc", "logits.conv3d"), kernel
    name = name.removeprefix("encoder.layers.").replace(".conv.", ".conv3d.")
    for ours, theirs in PORT.items():
        name = name.replace(ours, theirs)
    return name.replace("mixed", "Mixed_"), tensor


def deepmind(name: str, tensor: Tensor) -> tuple[str, Tensor]:
    if tensor.ndim == 2:
        tensor = tensor[:, :, None, None, None]
    if tensor.ndim == 5:
        tensor = tensor.permute(2, 3, 4, 1, 0)
    name = name.replace("head.fc.weight", "Logits/Conv3d_0c_1x1/conv_3d/w")
    name = name.replace("head.fc.bias", "Logits/Conv3d_0c_1x1/conv_3d/b")
    name = name.removeprefix("encoder.layers.")
    for block in BLOCKS:
        name = name.replace(f"mixed{block}.", f"Mixed_{block}/")
    for ours, theirs in {
        ".conv.weight": "/conv_3d/w",
        ".bn.bias": "/batch_norm/beta",
        ".bn.running_mean": "/batch_norm/moving_mean",
        ".bn.running_var": "/batch_norm/moving_variance",
        **SCOPES,
    }.items():
        name = name.replace(ours, theirs)
    if "batch_norm" in name:
        tensor = tensor.reshape(1, 1, 1, 1, -1)
    # the published checkpoints spell one layer in their own way
    odd = "Mixed_5b/Branch_2/Conv3d_0b_3x3"
    return "RGB/inception_i3d/" + name.replace(odd, odd.replace("0b", "0a")), tensor


def same(x: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
    """TensorFlow's definition of SAME."""
    pads = []
    for size, k, s in reversed(list(zip(x.shape[2:], kernel, stride, strict=True))):
        needed = max((math.ceil(size / s) - 1) * s + k - size, 0)
        pads += [needed // 2, math.ceil(needed / 2)]
    return F.pad(x, pads)


def pytorch_i3d(state: dict[str, Tensor], x: Tensor, window: tuple[int, ...]) -> Tensor:
    """The network of the paper from the port's weights: logits averaged over time."""

    def unit(x: Tensor, name: str, stride: int = 1) -> Tensor:
        weight = state[f"{name}.conv3d.weight"]
        x = F.conv3d(same(x, weight.shape[2:], (stride,) * 3), weight, stride=stride)
        norm = [state[f"{name}.bn.{n}"] for n in ("running_mean", "running_var", "weight", "bias")]
        return F.batch_norm(x, *norm, eps=0.001).relu()

    def pool(x: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
        return F.max_pool3d(same(x, kernel, stride), kernel, stride)

    x = pool(unit(x, "Conv3d_1a_7x7", 2), (1, 3, 3), (1, 2, 2))
    x = pool(unit(unit(x, "Conv3d_2b_1x1"), "Conv3d_2c_3x3"), (1, 3, 3), (1, 2, 2))
    for block in BLOCKS:
        if block == "4b":
            x = pool(x, (3, 3, 3), (2, 2, 2))
        if block == "5b":
            x = pool(x, (2, 2, 2), (2, 2, 2))
        b = f"Mixed_{block}."
        branches = [
            unit(x, b + "b0"),
            unit(unit(x, b + "b1a"), b + "b1b"),
            unit(unit(x, b + "b2a"), b + "b2b"),
            unit(pool(x, (3, 3, 3), (1, 1, 1)), b + "b3b"),
        ]
        x = torch.cat(branches, dim=1)
    x = F.avg_pool3d(x, window, stride=1)
    return F.conv3d(x, state["logits.conv3d.weight"], state["logits.conv3d.bias"]).mean((2, 3, 4))


def test_names_of_the_port_and_its_logits() -> None:
    window = (2, 2, 2)  # a small clip then has several places
    ours = Classifier(I3D(final_pool=window), 5)
    theirs = round_trip(ours, from_pytorch_i3d, port)
    assert {"Mixed_3b.b1a.bn.running_var", "logits.conv3d.weight"} <= set(theirs)
    # 17 frames leave 3 moments, so 2 steps; odd sizes are padded unevenly
    x_BCTHW = torch.randn(2, 3, 17, 61, 70)
    with torch.no_grad():
        assert ours.eval().encoder(x_BCTHW).shape == (2, 2, 1024)
        assert_equal_logits(
            ours(x_BCTHW),
            pytorch_i3d(theirs, x_BCTHW, window),
            "pytorch-i3d, computed a second time",
        )


def test_names_of_the_tensorflow_checkpoint() -> None:
    network = Classifier(I3D(), 5)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            parameter.normal_()
            if name.endswith("bn.weight"):
                parameter.fill_(1)  # there is no scale in the checkpoint
    state = network.state_dict()
    kept = {n: t for n, t in state.items() if not n.endswith(("bn.weight", "tracked"))}
    theirs = dict(deepmind(name, tensor) for name, tensor in kept.items())
    assert {
        "RGB/inception_i3d/Conv3d_1a_7x7/conv_3d/w",
        "RGB/inception_i3d/Mixed_5b/Branch_2/Conv3d_0a_3x3/batch_norm/moving_variance",
        "RGB/inception_i3d/Mixed_4f/Branch_3/Conv3d_0b_1x1/batch_norm/beta",
        "RGB/inception_i3d/Logits/Conv3d_0c_1x1/conv_3d/b",
    } <= set(theirs)
    assert theirs["RGB/inception_i3d/Conv3d_1a_7x7/conv_3d/w"].shape == (7, 7, 7, 3, 64)
    back = from_deepmind(theirs)
    Classifier(I3D(), 5).load_state_dict(back)
    assert all(torch.equal(back[n], state[n]) for n in state if not n.endswith("tracked"))
