"""TimeSformer (Bertasius et al. 2021, "Is Space-Time Attention All You Need?")."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from stfw.models.encoders._vit import (
    Attention,
    Block,
    drop_path_rates,
    init_weights,
    resize_positions,
    token_grid,
)


class DividedBlock(Block):
    """Attention over time at one place, then over space in one frame, then the two layers.

    The class token takes no part in the first; in the second each frame sees a copy of it, and
    the copies' changes are averaged.
    """

    def __init__(self, width: int, num_heads: int, drop_path: float = 0.0) -> None:
        super().__init__(width, num_heads, drop_path)
        self.time_norm = nn.LayerNorm(width, eps=1e-6)
        self.time_attn = Attention(width, num_heads)
        self.time_fc = nn.Linear(width, width)

    def forward(self, x_BSD: Tensor, num_frames: int = 1) -> Tensor:
        class_B1D, patches_BTPD = x_BSD[:, :1], x_BSD[:, 1:].unflatten(1, (num_frames, -1))
        B, T, P, D = patches_BTPD.shape

        places_QTD = patches_BTPD.transpose(1, 2).reshape(B * P, T, D)
        change_QTD = self.time_fc(self.drop_path(self.time_attn(self.time_norm(places_QTD))))
        patches_BTPD = patches_BTPD + change_QTD.reshape(B, P, T, D).transpose(1, 2)

        copies_BT1D = class_B1D.unsqueeze(1).expand(B, T, 1, D)
        frames_FSD = torch.cat([copies_BT1D, patches_BTPD], dim=2).flatten(0, 1)
        change_FSD = self.drop_path(self.attn(self.norm1(frames_FSD)))
        change_BTSD = change_FSD.unflatten(0, (B, T))
        class_B1D = class_B1D + change_BTSD[:, :, 0].mean(dim=1, keepdim=True)
        patches_BTPD = patches_BTPD + change_BTSD[:, :, 1:]

        x_BSD = torch.cat([class_B1D, patches_BTPD.flatten(1, 2)], dim=1)
        return x_BSD + self.drop_path(self.mlp(self.norm2(x_BSD)))


class TimeSformer(nn.Module):
    """A vision transformer on the patches of frames, read at its class token; S = 1.

    With 400 classes at 8 x 224 x 224: divided 121,566,352 parameters and 195.8 GMACs, joint
    86,112,400 and 179.6, space 86,106,256 and 140.5.

    Args:
        in_channels: C of the clip.
        attention: ``divided`` over time, then space; ``joint`` over all patches of the clip;
            ``space`` alone: each frame on its own, their tokens averaged at the end.
        width: D.
        depth: number of blocks.
        num_heads: heads of the attention.
        patch_size: rows and columns of a patch.
        num_frames: frames that positions are learned for; others are interpolated.
        crop_size: rows and columns that positions are learned for; others are interpolated.
        drop_path: probability of skipping a branch in the last block; rises from 0 at the first.

    Raises:
        UserError: the crop does not divide into patches.
    """

    def __init__(
        self,
        in_channels: int = 3,
        attention: Literal["divided", "joint", "space"] = "divided",
        width: int = 768,
        depth: int = 12,
        num_heads: int = 12,
        patch_size: int = 16,
        num_frames: int = 8,
        crop_size: int = 224,
        drop_path: float = 0.1,
    ) -> None:
        super().__init__()
        self.attention, self.tubelet = attention, (1, patch_size, patch_size)
        self.grid = token_grid((num_frames, crop_size, crop_size), self.tubelet)
        self.patch = nn.Conv2d(in_channels, width, patch_size, patch_size)
        self.class_token = nn.Parameter(torch.zeros(1, 1, width))
        self.positions = nn.Parameter(torch.zeros(1 + self.grid[1] * self.grid[2], width))
        if attention != "space":
            self.time_positions = nn.Parameter(torch.zeros(num_frames, width))
        kind = DividedBlock if attention == "divided" else Block
        self.blocks = nn.ModuleList(
            kind(width, num_heads, rate) for rate in drop_path_rates(drop_path, depth)
        )
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.num_features = width
        self._init_weights()

    def embed(self, x_BCTHW: Tensor) -> Tensor:
        """Patches with their positions, B T P D.

        Raises:
            UserError: the clip does not divide into patches.
        """
        B = len(x_BCTHW)
        T, H, W = token_grid(x_BCTHW.shape[2:], self.tubelet)
        patches_FDP = self.patch(x_BCTHW.transpose(1, 2).flatten(0, 1)).flatten(2)
        patches_BTPD = patches_FDP.transpose(1, 2).unflatten(0, (B, T))
        places_PD = resize_positions(self.positions[1:], (1, *self.grid[1:]), (1, H, W))
        if self.attention == "space":
            return patches_BTPD + places_PD
        times_TD = resize_positions(self.time_positions, (self.grid[0], 1, 1), (T, 1, 1))
        return patches_BTPD + places_PD + times_TD.unsqueeze(1)

    def forward(self, x_BCTHW: Tensor) -> Tensor:
        patches_BTPD = self.embed(x_BCTHW)
        B, T = patches_BTPD.shape[:2]
        alone = self.attention == "space"
        x_BSD = patches_BTPD.flatten(0, 1) if alone else patches_BTPD.flatten(1, 2)
        class_11D = self.class_token + self.positions[0]
        x_BSD = torch.cat([class_11D.expand(len(x_BSD), -1, -1), x_BSD], dim=1)
        for block in self.blocks:
            x_BSD = block(x_BSD, T) if isinstance(block, DividedBlock) else block(x_BSD)
        class_BD = x_BSD[:, 0].unflatten(0, (B, T)).mean(dim=1) if alone else x_BSD[:, 0]
        return self.norm(class_BD).unsqueeze(1)

    def _init_weights(self) -> None:
        init_weights(self)
        nn.init.trunc_normal_(self.class_token, std=0.02)
        nn.init.trunc_normal_(self.positions, std=0.02)
        for number, block in enumerate(self.blocks):
            # time begins as a pass-through, so that weights of a picture network still fit
            if number and isinstance(block, DividedBlock):
                nn.init.zeros_(block.time_fc.weight)
