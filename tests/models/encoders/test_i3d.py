"""I3D pads as TensorFlow does and gives a step for every position of its last window."""

from __future__ import annotations

import pytest
import torch

from stfw.models.encoders._pool import pooled_steps
from stfw.models.encoders.i3d import I3D, same_padding
from stfw.types import UserError


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "before", "after"),
    # by hand: 224 = 111 * 2 + 2, so a kernel of 7 needs 5 more; 225 needs 6
    [(224, 7, 2, 2, 3), (225, 7, 2, 3, 3), (112, 3, 2, 0, 1), (113, 3, 2, 1, 1), (7, 2, 2, 0, 1)],
)
def test_the_greater_half_of_the_padding_comes_after(
    size: int, kernel: int, stride: int, before: int, after: int
) -> None:
    x_BCTHW = torch.ones(1, 1, size, 1, 1)
    padded = same_padding(x_BCTHW, (kernel, 1, 1), (stride, 1, 1)).flatten().tolist()
    assert padded == [0] * before + [1] * size + [0] * after


def test_maps_are_an_eighth_in_time_and_a_thirty_second_in_space_rounded_up() -> None:
    with torch.device("meta"):
        encoder = I3D()
        assert encoder.maps(torch.empty(1, 3, 64, 224, 224)).shape == (1, 1024, 8, 7, 7)
        assert encoder.maps(torch.empty(1, 3, 79, 225, 256)).shape == (1, 1024, 10, 8, 8)
        assert encoder(torch.empty(1, 3, 64, 224, 224)).shape == (1, 7, 1024)
        whole = I3D(final_pool=None)
        assert whole(torch.empty(1, 3, 64, 224, 224)).shape == (1, 1, 1024)


def test_steps_are_means_of_neighbouring_moments() -> None:
    maps_BDTHW = torch.arange(4.0).reshape(1, 1, 4, 1, 1).expand(1, 1, 4, 7, 7)
    assert pooled_steps(maps_BDTHW, (2, 7, 7)).flatten().tolist() == [0.5, 1.5, 2.5]
    assert pooled_steps(maps_BDTHW, (8, 9, 9)).flatten().tolist() == [1.5]  # cut to the maps
    assert pooled_steps(maps_BDTHW, None).flatten().tolist() == [1.5]


def test_a_window_of_other_than_three_sizes_is_refused() -> None:
    with torch.device("meta"), pytest.raises(UserError, match=r"final_pool=\[2, 7\]"):
        I3D(final_pool=(2, 7))
