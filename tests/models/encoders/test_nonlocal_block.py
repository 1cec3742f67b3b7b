"""The non-local block is the formula of its paper."""

from __future__ import annotations

from typing import Literal

import pytest
import torch
from torch import nn

from stfw.models.encoders.nonlocal_block import NonLocal

Mode = Literal["dot_product", "embedded_gaussian", "gaussian"]
MODES: tuple[Mode, ...] = ("dot_product", "embedded_gaussian", "gaussian")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("batch_norm", [True, False])
def test_begins_as_the_identity(mode: Mode, batch_norm: bool) -> None:
    x_BCTHW = torch.randn(2, 4, 3, 4, 4)
    assert torch.equal(NonLocal(4, mode, batch_norm=batch_norm)(x_BCTHW), x_BCTHW)


@pytest.mark.parametrize("mode", MODES)
def test_is_the_weighted_sum_over_all_places(mode: Mode) -> None:
    block = NonLocal(4, mode, sub_sample=False, batch_norm=False).eval()
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.copy_(torch.randn_like(parameter))
        x_BCTHW = torch.randn(1, 4, 2, 2, 3)
        theta, phi, g = (
            part(x_BCTHW)[0].flatten(1).T for part in (block.theta, block.phi, block.g)
        )
        seen = torch.zeros(12, 2)
        for i in range(12):
            likeness = torch.stack([theta[i] @ phi[j] for j in range(12)])
            if mode == "dot_product":
                weights = likeness / 12
            else:
                weights = likeness.exp() / likeness.exp().sum()
            for j in range(12):
                seen[i] += weights[j] * g[j]
        expected = x_BCTHW + block.out(seen.T.reshape(1, 2, 2, 2, 3))
        assert torch.allclose(block(x_BCTHW), expected, atol=1e-4)


def test_subsampling_looks_at_a_quarter_of_the_places() -> None:
    block = NonLocal(4, "gaussian", sub_sample=True)
    seen: list[tuple[int, ...]] = []
    block.pool.register_forward_hook(lambda module, given, maps: seen.append(tuple(maps.shape)))
    block(torch.randn(1, 4, 3, 6, 6))
    assert seen == [(1, 4, 3, 3, 3), (1, 2, 3, 3, 3)]


def test_gaussian_has_no_embeddings() -> None:
    convolutions = [m for m in NonLocal(4, "gaussian").modules() if isinstance(m, nn.Conv3d)]
    assert len(convolutions) == 2  # g and out
