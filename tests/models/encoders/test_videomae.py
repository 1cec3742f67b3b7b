"""VideoMAE: tubelets, fixed positions, and parts that a mask fits between."""

from __future__ import annotations

import torch

from stfw.models.encoders.videomae import VideoMAE


def _small() -> VideoMAE:
    torch.manual_seed(0)
    return VideoMAE(width=48, depth=2, num_heads=3).eval()


@torch.no_grad()
def test_tubelets_are_of_two_frames_and_patches_of_16() -> None:
    network = _small()
    x_BCTHW = torch.randn(1, 3, 4, 32, 48)
    changed = x_BCTHW.clone()
    changed[:, :, 2:, 16:, 16:32] += 1  # second moment, second row, second column
    changed_S = (network.embed(x_BCTHW) != network.embed(changed)).any(dim=2)[0]
    assert changed_S.nonzero().flatten().tolist() == [1 * 6 + 1 * 3 + 1]


@torch.no_grad()
def test_positions_are_of_the_clip_and_not_of_a_constructor() -> None:
    network = _small()
    still_BCTHW = torch.zeros(1, 3, 6, 48, 16)
    tokens_SD = network.embed(still_BCTHW)[0] - network.patch.bias
    assert torch.allclose(tokens_SD[:, 0], torch.arange(9.0).sin(), atol=1e-6)
    assert not any("position" in name for name in network.state_dict())


@torch.no_grad()
def test_a_mask_fits_between_embedding_and_blocks() -> None:
    network = _small()
    x_BCTHW = torch.randn(2, 3, 4, 32, 32)
    tokens_BSD = network.embed(x_BCTHW)
    visible_BSD = network.encode(tokens_BSD[:, [1, 4, 6]])
    assert visible_BSD.shape == (2, 3, 48)
    # what is hidden is not seen
    changed = x_BCTHW.clone()
    changed[:, :, :2, :16, :16] = 5  # tubelet 0
    again_BSD = network.encode(network.embed(changed)[:, [1, 4, 6]])
    assert torch.equal(visible_BSD, again_BSD)


@torch.no_grad()
def test_the_feature_is_the_normalised_mean_of_all_tokens() -> None:
    network = _small()
    x_BCTHW = torch.randn(2, 3, 4, 32, 48)
    tokens_BSD = network.encode(network.embed(x_BCTHW))
    expected_BD = network.norm(tokens_BSD.mean(dim=1))
    assert torch.allclose(network(x_BCTHW)[:, 0], expected_BD, atol=1e-6)
    maps_BDTHW = network.maps(x_BCTHW)
    assert maps_BDTHW.shape == (2, 48, 2, 2, 3)
    assert torch.equal(maps_BDTHW[:, :, 1, 0, 2], tokens_BSD[:, 1 * 6 + 0 * 3 + 2])
