"""ST-ConvNet: what is pooled, what is kept, what the differences add."""

from __future__ import annotations

import pytest
import torch

from stfw.models.encoders.stconv import StConv


def test_time_is_pooled_only_where_it_is_said() -> None:
    x_BCTHW = torch.randn(1, 3, 16, 32, 32)
    assert StConv(time_pool=(False, False, False))(x_BCTHW).shape == (1, 16, 64)
    assert StConv(time_pool=(False, True, False))(x_BCTHW).shape == (1, 8, 64)
    assert StConv(time_pool=(True, True, True))(x_BCTHW).shape == (1, 2, 64)


def test_pooling_is_by_maximum_or_average() -> None:
    torch.manual_seed(0)
    largest = StConv(pool="max").eval()
    mean = StConv(pool="average").eval()
    mean.load_state_dict(largest.state_dict())
    x_BCTHW = torch.randn(1, 3, 8, 32, 32)
    assert (largest.maps(x_BCTHW).mean() > mean.maps(x_BCTHW).mean()).item()


def test_differences_are_those_of_neighbouring_frames() -> None:
    seen = []
    encoder = StConv(differences=True).eval()
    encoder.blocks[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    x_BCTHW = torch.randn(2, 3, 6, 32, 32)
    encoder(x_BCTHW)
    assert torch.equal(seen[0][:, :3], x_BCTHW)
    assert torch.allclose(seen[0][:, 3:, 2], 2 * (x_BCTHW[:, :, 3] - x_BCTHW[:, :, 2]))
    assert not seen[0][:, 3:, -1].any()


def test_the_order_of_time_matters() -> None:
    torch.manual_seed(0)
    encoder, x_BCTHW = StConv().eval(), torch.randn(1, 3, 8, 32, 32)
    forwards, backwards = encoder(x_BCTHW).mean(1), encoder(x_BCTHW.flip(2)).mean(1)
    assert not torch.allclose(forwards, backwards, atol=1e-3)


def test_widths_and_pools_must_agree() -> None:
    with pytest.raises(ValueError, match="3 channels but 2 time_pool"):
        StConv(channels=(8, 8, 8), time_pool=(True, True))
