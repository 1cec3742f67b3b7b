"""ViViT (Arnab et al. 2021, "ViViT: A Video Vision Transformer"), models 1 and 2."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from stfw.models.encoders._vit import (
    Block,
    drop_path_rates,
    init_weights,
    resize_positions,
    token_grid,
)


class ViViT(nn.Module):
    """A vision transformer on tubelets, read at its class token; S = 1.

    Model 1: all tubelets in one transformer; ViViT-B 16x2 has 88,954,000 parameters and
    451.5 GMACs with 400 classes at 32 x 224 x 224. With ``time_depth`` it is model 2, the
    factorised encoder: one transformer over the tubelets of a moment, and over the moments' class
    tokens a second one of ``time_depth`` blocks (published: 4; 115.1 M parameters).

    Args:
        in_channels: C of the clip.
        width: D.
        depth: number of blocks.
        num_heads: heads of the attention.
        tubelet: frames, rows and columns of a tubelet.
        time_depth: blocks of the second transformer; 0 is model 1.
        num_frames: frames that positions are learned for; others are interpolated.
        crop_size: rows and columns that positions are learned for; others are interpolated.
        drop_path: probability of skipping a branch in the last block; rises from 0 at the first.

    Raises:
        UserError: the clip does not divide into tubelets.
    """

    def __init__(
        self,
        in_channels: int = 3,
        width: int = 768,
        depth: int = 12,
        num_heads: int = 12,
        tubelet: Sequence[int] = (2, 16, 16),
        time_depth: int = 0,
        num_frames: int = 32,
        crop_size: int = 224,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        self.tubelet = (tubelet[0], tubelet[1], tubelet[2])
        T, H, W = token_grid((num_frames, crop_size, crop_size), self.tubelet)
        self.grid = (1, H, W) if time_depth else (T, H, W)
        self.patch = nn.Conv3d(in_channels, width, self.tubelet, self.tubelet)
        blocks = [
            Block(width, num_heads, rate, activation=_TanhGELU)
            for rate in drop_path_rates(drop_path, depth + time_depth)
        ]
        self.space = _Reader(width, self.grid, blocks[:depth])
        self.time = _Reader(width, (T, 1, 1), blocks[depth:]) if time_depth else None
        self.num_features = width
        init_weights(self)

    def forward(self, x_BCTHW: Tensor) -> Tensor:
        T, H, W = token_grid(x_BCTHW.shape[2:], self.tubelet)
        patches_BTPD = self.patch(x_BCTHW).flatten(3).permute(0, 2, 3, 1)
        if self.time is None:
            return self.space(patches_BTPD.flatten(1, 2), (T, H, W)).unsqueeze(1)
        moments_FD = self.space(patches_BTPD.flatten(0, 1), (1, H, W))
        return self.time(moments_FD.unflatten(0, (-1, T)), (T, 1, 1)).unsqueeze(1)


class _TanhGELU(nn.GELU):
    """As the published weights were trained: GELU by a hyperbolic tangent."""

    def __init__(self) -> None:
        super().__init__(approximate="tanh")


class _Reader(nn.Module):
    """Class token, positions, blocks, norm: tokens of one grid to one feature."""

    def __init__(self, width: int, grid: Sequence[int], blocks: Sequence[nn.Module]) -> None:
        super().__init__()
        self.grid = tuple(grid)
        self.class_token = nn.Parameter(torch.zeros(1, 1, width))
        self.positions = nn.Parameter(torch.zeros(1 + grid[0] * grid[1] * grid[2], width))
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        nn.init.normal_(self.positions, std=0.02)

    def forward(self, tokens_BSD: Tensor, grid: Sequence[int]) -> Tensor:
        tokens_BSD = tokens_BSD + resize_positions(self.positions[1:], self.grid, grid)
        class_B1D = (self.class_token + self.positions[0]).expand(len(tokens_BSD), -1, -1)
        x_BSD = torch.cat([class_B1D, tokens_BSD], dim=1)
        for block in self.blocks:
            x_BSD = block(x_BSD)
        return self.norm(x_BSD[:, 0])
