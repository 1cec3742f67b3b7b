"""A window that slides over the maps gives a step for each of its places."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from stfw.models.encoders._pool import pooled_places
from stfw.models.encoders.csn import CSN
from stfw.models.encoders.resnet3d import ResNet3D
from stfw.models.encoders.slowfast import SlowFast
from stfw.models.encoders.x3d import X3D
from stfw.types import UserError


def test_places_are_means_of_neighbours_and_of_all_time() -> None:
    maps_BDTHW = torch.rand(2, 3, 4, 3, 5)
    tokens_BSD = pooled_places(maps_BDTHW, (2, 4))
    assert tokens_BSD.shape == (2, 2 * 2, 3)
    assert torch.allclose(tokens_BSD[1, 3], maps_BDTHW[1, :, :, 1:3, 1:5].mean(dim=(1, 2, 3)))
    by_time_BSD = pooled_places(maps_BDTHW, (2, 4), keep_time=True)
    assert by_time_BSD.shape == (2, 4 * 2 * 2, 3)
    assert torch.allclose(by_time_BSD[0, 4 * 2 + 1], maps_BDTHW[0, :, 2, 0:2, 1:5].mean(dim=(1, 2)))
    # a window that is larger than the maps is cut to them; none is all of them
    whole_BSD = maps_BDTHW.mean(dim=(2, 3, 4)).unsqueeze(1)
    assert torch.allclose(pooled_places(maps_BDTHW, (7, 7)), whole_BSD)
    assert torch.equal(pooled_places(maps_BDTHW, None), whole_BSD)


@pytest.mark.parametrize(
    ("network", "frames", "steps"),
    [(X3D, 4, 4), (SlowFast, 8, 4), (ResNet3D, 8, 4), (CSN, 8, 4)],
)
def test_a_larger_crop_has_more_places(network: Any, frames: int, steps: int) -> None:
    with torch.device("meta"):
        encoder = network(pool_size=(7, 7))
        assert encoder(torch.empty(1, 3, frames, 224, 224)).shape[1] == 1
        assert encoder(torch.empty(1, 3, frames, 256, 256)).shape[1] == steps
        assert network()(torch.empty(1, 3, frames, 256, 256)).shape[1] == 1
        with pytest.raises(UserError, match=r"encoder.pool_size=\[7\]: two sizes"):
            network(pool_size=(7,))
