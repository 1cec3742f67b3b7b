"""ViViT: one transformer over all tubelets, or one per moment and one over the moments."""

from __future__ import annotations

import torch

from stfw.models.complexity import num_parameters
from stfw.models.encoders.vivit import ViViT


def _small(time_depth: int) -> ViViT:
    torch.manual_seed(0)
    return ViViT(
        width=48, depth=2, num_heads=3, time_depth=time_depth, num_frames=8, crop_size=32
    ).eval()


@torch.no_grad()
def test_the_factorised_encoder_sees_moments_apart_first() -> None:
    network = _small(time_depth=2)
    seen = []
    network.space.register_forward_hook(lambda module, given, feature_FD: seen.append(feature_FD))
    x_BCTHW = torch.randn(1, 3, 8, 32, 32)
    changed = x_BCTHW.clone()
    changed[:, :, 2:4] += 1  # the second of four moments
    before, after = network(x_BCTHW), network(changed)
    assert (seen[0] != seen[1]).any(dim=1).tolist() == [False, True, False, False]
    assert not torch.allclose(before, after, atol=1e-5)


@torch.no_grad()
def test_both_models_know_the_order_of_time() -> None:
    x_BCTHW = torch.randn(1, 3, 8, 32, 32).repeat_interleave(2, dim=2)[:, :, :8]
    for time_depth in (0, 2):  # both frames of a tubelet are alike: only positions tell
        network = _small(time_depth)
        assert not torch.allclose(network(x_BCTHW), network(x_BCTHW.flip(2)), atol=1e-5)


@torch.no_grad()
def test_other_clips_than_positions_were_learned_for_are_taken() -> None:
    for time_depth in (0, 2):
        assert _small(time_depth)(torch.randn(1, 3, 12, 48, 64)).shape == (1, 1, 48)


def test_the_factorised_encoder_has_the_published_size() -> None:
    with torch.device("meta"):
        network = ViViT(time_depth=4)
    assert round((num_parameters(network) + 400 * 769) / 1e6, 1) == 115.1
