"""C3D is what was published, and says what it needs."""

from __future__ import annotations

from typing import Literal

import pytest
import torch
from torch import nn

from stfw.models.encoders.c3d import C3D


@pytest.mark.parametrize(
    ("last_pool", "windows"),
    [("padded", [[0], [1, 2], [3, 4], [5, 6]]), ("ceil", [[0, 1], [2, 3], [4, 5], [6]])],
)
def test_pool5_joins_seven_places_to_four(
    last_pool: Literal["padded", "ceil"], windows: list[list[int]]
) -> None:
    with torch.device("meta"):
        encoder = C3D(last_pool=last_pool)
        assert encoder.maps(torch.empty(1, 3, 16, 112, 112)).shape == (1, 512, 1, 4, 4)
    assert encoder.fc6.in_features == 512 * 4 * 4
    x_BCTHW = torch.randn(1, 1, 2, 7, 7)
    pooled_HW = encoder.features[-1](x_BCTHW)[0, 0, 0]
    for row, rows in enumerate(windows):
        for column, columns in enumerate(windows):
            assert pooled_HW[row, column] == x_BCTHW[0, 0][:, rows][:, :, columns].max()


def test_another_clip_is_refused_with_the_size_it_needs() -> None:
    with torch.device("meta"):
        encoder = C3D()
    with pytest.raises(ValueError, match=r"16x112x112, not 8x112x112.*clip=16x1_112"):
        encoder(torch.empty(1, 3, 8, 112, 112, device="meta"))


def test_dropout_stands_between_fc6_and_fc7_alone() -> None:
    encoder = C3D(dropout=1.0)
    encoder.features = nn.Sequential(nn.AdaptiveAvgPool3d((1, 4, 4)), nn.Conv3d(1, 512, 1))  # quick
    nn.init.normal_(encoder.fc7.bias)
    x_BCTHW = torch.randn(2, 1, 16, 112, 112)
    with torch.no_grad():
        dropped_BSD, whole_BSD = encoder.train()(x_BCTHW), encoder.eval()(x_BCTHW)
    # all of fc6 is gone, so fc7 has its bias alone; nothing of fc7 is gone
    assert torch.equal(dropped_BSD, encoder.fc7.bias.relu().expand(2, 1, 4096))
    assert not torch.allclose(whole_BSD, dropped_BSD)
