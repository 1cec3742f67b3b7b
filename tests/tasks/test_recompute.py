"""Less memory, and the same gradients and statistics."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from stfw.models.aggregators.mean import Mean
from stfw.models.encoders.c3d import C3D
from stfw.models.encoders.slowfast import SlowFast
from stfw.models.encoders.timm import Timm
from stfw.models.encoders.video_resnet import VideoResNet
from stfw.models.encoders.videomae import VideoMAE
from stfw.models.fusions.concat import Concat
from stfw.models.heads.linear import Linear
from stfw.models.recognizer import Recognizer
from stfw.tasks.recompute import recompute_activations
from stfw.types import UserError

SIZE = 32


def network(make: Callable[[], nn.Module]) -> Recognizer:
    torch.manual_seed(0)
    encoder = make()
    width = int(encoder.num_features)  # type: ignore[arg-type]
    return Recognizer(
        {"rgb": encoder}, {"rgb": Mean(width)}, Concat({"rgb": width}), Linear(width, 3)
    )


def step(net: nn.Module, x: Tensor) -> dict[str, Tensor]:
    """Gradients and buffers after a step."""
    torch.manual_seed(1)  # of dropout
    loss = nn.functional.cross_entropy(net({"rgb": x})[:, 0], torch.tensor([0, 2]))
    loss.backward()
    found = {name: p.grad for name, p in net.named_parameters()}
    return found | dict(net.named_buffers())  # type: ignore[return-value]


ENCODERS = {
    "video_resnet": lambda: VideoResNet(3, "r3d", 18),
    "slowfast": lambda: SlowFast(3, depth=50, alpha=4),
    "videomae": lambda: VideoMAE(3, width=24, depth=2, num_heads=2, drop_path=0.5),
    "timm": lambda: Timm("resnet18", 3),
}


@pytest.mark.parametrize("name", ENCODERS)
def test_gradients_and_statistics_are_the_same(name: str) -> None:
    net = network(ENCODERS[name]).train()
    again = copy.deepcopy(net)
    names = list(again.state_dict())
    assert recompute_activations(again) > 1
    assert list(again.state_dict()) == names
    x = torch.randn(2, 1, 1, 3, 8, SIZE, SIZE)
    plain, other = step(net, x), step(again, x)
    assert plain.keys() == other.keys()
    for key, value in plain.items():
        torch.testing.assert_close(other[key], value, rtol=1e-4, atol=1e-6, msg=key)
    copied = copy.deepcopy(again)  # as an average of the weights is made
    assert list(copied.state_dict()) == names


def test_less_is_kept_for_going_backward() -> None:
    def kept(net: nn.Module) -> int:
        total = 0

        def pack(x: Tensor) -> Tensor:
            nonlocal total
            total += x.numel()
            return x

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
            net({"rgb": torch.randn(2, 1, 1, 3, 8, SIZE, SIZE)})
        return total

    net = network(ENCODERS["video_resnet"]).train()
    again = copy.deepcopy(net)
    recompute_activations(again)
    assert kept(again) < 0.5 * kept(net)


def test_layers_that_stand_side_by_side_cannot_be_computed_again() -> None:
    with pytest.raises(UserError, match="the encoder of rgb, C3D, has no blocks"):
        recompute_activations(network(lambda: C3D(3)))
