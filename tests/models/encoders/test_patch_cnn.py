"""The article's small CNN as it is described."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from stfw.models.complexity import num_parameters
from stfw.models.encoders.patch_cnn import PatchCnn
from stfw.types import UserError


def test_layers_are_those_of_the_article() -> None:
    layers = [m for m in PatchCnn().modules() if not list(m.children()) and list(m.parameters())]
    assert [type(layer).__name__ for layer in layers] == ["Conv2d", "Conv2d", "Linear"]
    counts = (3 * 32 * 9 + 32, 32 * 64 * 9 + 64, 64 * 16 * 16 * 128 + 128)
    assert [num_parameters(layer) for layer in layers] == list(counts)
    assert num_parameters(PatchCnn()) == sum(counts) == 2_116_672
    assert sum(isinstance(m, nn.MaxPool2d) for m in PatchCnn().modules()) == 2


def test_frames_as_channels_feel_their_order_where_the_average_does_not() -> None:
    x_BCTHW = torch.randn(2, 3, 4, 16, 16)
    folded, average = PatchCnn(3, 4, 16, "channels"), PatchCnn(3, 4, 16, "average")
    assert folded(x_BCTHW).shape == average(x_BCTHW).shape == (2, 1, 128)
    assert not torch.allclose(folded(x_BCTHW), folded(x_BCTHW.flip(2)), atol=1e-4)
    assert torch.allclose(average(x_BCTHW), average(x_BCTHW.flip(2)), atol=1e-5)


def test_steps_are_the_frames_one_by_one() -> None:
    x_BCTHW = torch.randn(2, 3, 4, 16, 16)
    steps = PatchCnn(3, 4, 16, "steps")
    one_by_one = torch.cat([steps(x_BCTHW[:, :, t : t + 1]) for t in range(4)], dim=1)
    assert torch.allclose(steps(x_BCTHW), one_by_one, atol=1e-5)
    assert steps.maps(x_BCTHW).shape == (2, 64, 4, 4, 4)


def test_another_size_is_told_with_both() -> None:
    with pytest.raises(UserError, match="4 frames of 16x16, and a clip has 4 of 20x16"):
        PatchCnn(3, 4, 16)(torch.randn(1, 3, 4, 20, 16))
    with pytest.raises(UserError, match="and a clip has 5 of 16x16"):
        PatchCnn(3, 4, 16)(torch.randn(1, 3, 5, 16, 16))
    with pytest.raises(UserError, match="size=3"):
        PatchCnn(size=3)


def test_differences_are_further_channels() -> None:
    network = PatchCnn(3, 4, 16, differences=True)
    first = network.blocks[0]
    assert isinstance(first, nn.Conv2d)
    assert first.in_channels == 3 * (4 + 3)
    with torch.no_grad():
        first.weight[:, :12] = 0.0  # what remains sees changes alone
    still_BCTHW = torch.randn(1, 3, 1, 16, 16).expand(1, 3, 4, 16, 16)
    other_BCTHW = torch.randn(1, 3, 1, 16, 16).expand(1, 3, 4, 16, 16)
    assert torch.equal(network(still_BCTHW), network(other_BCTHW))
    moving_BCTHW = torch.randn(1, 3, 4, 16, 16)
    assert not torch.allclose(network(moving_BCTHW), network(still_BCTHW))
    with pytest.raises(UserError, match=r"encoder\.differences"):
        PatchCnn(3, 4, 16, frames="steps", differences=True)
