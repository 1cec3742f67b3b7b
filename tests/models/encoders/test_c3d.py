"""C3D is what was published, and says what it needs."""

from __future__ import annotations

import pytest
import torch

from stfw.models.encoders.c3d import C3D


def test_pool5_is_padded_in_space() -> None:
    with torch.device("meta"):
        encoder = C3D()
        assert encoder.maps(torch.empty(1, 3, 16, 112, 112)).shape == (1, 512, 1, 4, 4)
    assert encoder.fc6.in_features == 512 * 4 * 4


def test_another_clip_is_refused_with_the_size_it_needs() -> None:
    with torch.device("meta"):
        encoder = C3D()
    with pytest.raises(ValueError, match=r"16x112x112, not 8x112x112.*clip=16x1_112"):
        encoder(torch.empty(1, 3, 8, 112, 112, device="meta"))
