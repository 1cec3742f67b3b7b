"""Two paths, and the way between them."""

from __future__ import annotations

import pytest
import torch

from stfw.models.encoders.slowfast import SlowFast


@pytest.fixture(scope="module")
def encoder() -> SlowFast:
    torch.manual_seed(0)
    encoder = SlowFast(alpha=4)
    with torch.no_grad():
        for parameter in encoder.parameters():  # residual branches begin at zero
            parameter += 0.02 * torch.randn_like(parameter)
    return encoder.eval()


@pytest.mark.parametrize(("num_frames", "alpha"), [(32, 4), (32, 8), (64, 4), (16, 4), (8, 8)])
def test_slow_frames_run_from_the_first_to_the_last(num_frames: int, alpha: int) -> None:
    with torch.device("meta"):
        encoder = SlowFast(alpha=alpha)
    expected = torch.linspace(0, num_frames - 1, num_frames // alpha).long().tolist()
    assert encoder.slow_numbers(num_frames) == expected
    encoder.slow_frames = "strided"
    assert encoder.slow_numbers(num_frames) == list(range(num_frames))[::alpha]


def test_shapes_of_the_paths() -> None:
    with torch.device("meta"):
        for alpha, slow in ((4, 8), (8, 4)):
            paths = SlowFast(alpha=alpha).paths(torch.empty(1, 3, 32, 224, 224))
            assert [tuple(x.shape) for x in paths] == [(1, 2048, slow, 7, 7), (1, 256, 32, 7, 7)]


def test_the_fast_path_reaches_the_slow_one_and_not_the_other_way(encoder: SlowFast) -> None:
    x_BCTHW = torch.randn(1, 3, 16, 32, 32)
    assert 7 not in encoder.slow_numbers(16)
    between = x_BCTHW.clone()
    between[:, :, 7] += 1  # a frame that the slow path does not take
    with torch.no_grad():
        slow_BCTHW, fast_BCTHW = encoder.paths(x_BCTHW)
        after_slow, after_fast = encoder.paths(between)
        assert not torch.allclose(slow_BCTHW, after_slow, rtol=1e-3)
        assert not torch.allclose(fast_BCTHW, after_fast, rtol=1e-3)
        encoder.slow_stem.conv.weight.mul_(2)  # type: ignore[operator, union-attr]
        again_slow, again_fast = encoder.paths(x_BCTHW)
        encoder.slow_stem.conv.weight.div_(2)  # type: ignore[operator, union-attr]
    assert torch.equal(fast_BCTHW, again_fast)
    assert not torch.allclose(slow_BCTHW, again_slow, rtol=1e-3)


def test_the_feature_is_both_means(encoder: SlowFast) -> None:
    x_BCTHW = torch.randn(1, 3, 8, 32, 32)
    with torch.no_grad():
        slow_BCTHW, fast_BCTHW = encoder.paths(x_BCTHW)
        feature_BD = encoder(x_BCTHW)[:, 0]
        assert torch.equal(encoder.maps(x_BCTHW), slow_BCTHW)
    assert torch.equal(feature_BD[:, :2048], slow_BCTHW.mean(dim=(2, 3, 4)))
    assert torch.equal(feature_BD[:, 2048:], fast_BCTHW.mean(dim=(2, 3, 4)))


def test_r101_50_50_sees_time_in_six_blocks_of_stage_three() -> None:
    with torch.device("meta"):
        encoder = SlowFast(depth=101, max_time_blocks=6)
    for stages, before in ((encoder.slow_stages, 1), (encoder.fast_stages, 3)):
        kernels = [[block.a.conv.kernel_size[0] for block in blocks] for blocks in stages]
        assert kernels == [[before] * 3, [before] * 4, [3] * 6 + [1] * 17, [3] * 3]


def test_mmactions_laterals_are_bare_convolutions() -> None:
    with torch.device("meta"):
        bare, usual = SlowFast(lateral_norm=False), SlowFast()
    assert [len(lateral) for lateral in bare.laterals] == [1] * 4  # type: ignore[arg-type]
    more = sum(p.numel() for p in usual.parameters()) - sum(p.numel() for p in bare.parameters())
    assert more == 928


def test_a_clip_that_alpha_does_not_divide_is_refused(encoder: SlowFast) -> None:
    with pytest.raises(ValueError, match=r"clip\.num_frames=10 .*encoder\.alpha=4: take 12 frames"):
        encoder(torch.randn(1, 3, 10, 32, 32))
    with pytest.raises(ValueError, match=r"slow_time_kernels has 1 values; there are 4 stages"):
        SlowFast(slow_time_kernels=((1,),))
