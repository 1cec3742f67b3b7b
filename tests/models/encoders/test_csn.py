"""Channels are separated: convolutions in time and space never mix them."""

from __future__ import annotations

import torch
from torch import nn

from stfw.models.encoders.csn import CSN


def wide_convolutions(encoder: CSN) -> list[nn.Conv3d]:
    stages = encoder.stages.modules()
    return [m for m in stages if isinstance(m, nn.Conv3d) and m.kernel_size != (1, 1, 1)]


def test_only_1x1x1_convolutions_mix_channels() -> None:
    with torch.device("meta"):
        for mode in ("ir", "ip"):
            wide = wide_convolutions(CSN(depth=50, mode=mode))
            assert len(wide) == 16  # one in each block
            assert all(conv.kernel_size == (3, 3, 3) for conv in wide)
            assert all(conv.groups == conv.in_channels == conv.out_channels for conv in wide)


def test_interaction_preserved_mixes_once_more_per_block() -> None:
    with torch.device("meta"):
        reduced, preserved = CSN(depth=50, mode="ir"), CSN(depth=50, mode="ip")
    more = sum(p.numel() for p in preserved.parameters())
    more -= sum(p.numel() for p in reduced.parameters())
    widths = [64] * 3 + [128] * 4 + [256] * 6 + [512] * 3
    assert more == sum(width * width + 2 * width for width in widths)


def test_time_is_halved_three_times() -> None:
    with torch.device("meta"):
        encoder = CSN(depth=50, keep_time=True)
        assert encoder(torch.empty(1, 3, 32, 64, 64)).shape == (1, 4, 2048)


def test_batch_norm_is_that_of_the_authors() -> None:
    with torch.device("meta"):
        norms = [m for m in CSN(depth=50).modules() if isinstance(m, nn.BatchNorm3d)]
    assert {norm.eps for norm in norms} == {1e-3}
