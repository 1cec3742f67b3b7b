"""MViT (Fan et al. 2021) and MViTv2 (Li et al. 2022): torchvision's network in all its sizes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from torch import Tensor, nn

from stfw.types import UserError


class MViT(nn.Module):
    """A transformer that pools its tokens: fewer and wider from stage to stage; S = 1.

    Version 1 has learned positions; version 2 has relative ones, pools every query and adds it to
    the attended values. With 400 classes: v1-B 36,610,672 parameters and 70.6 GMACs at
    16 x 224 x 224; v2-S 34,537,744 and 64.2; v2-B (depth 24, stages 2 5 21) 51,230,128 and 224.5
    at 32 x 224 x 224; v2-L (width 144, 2 heads, depth 48, stages 2 8 44) 213,390,112 and 2823.4
    at 40 x 312 x 312.

    Args:
        in_channels: C of the clip.
        version: 1 or 2.
        width: D of the first stage; doubles with each further one.
        num_heads: heads of the first stage; double likewise.
        depth: number of blocks.
        stages: the blocks at which rows, columns are halved.
        widen_in: where the width doubles: the ``attention`` of those blocks (v2), or the ``mlp``
            of the blocks before (v1; MaskFeat's v2-S).
        num_frames: frames that positions are learned for; version 2 interpolates to others.
        crop_size: rows and columns that positions are learned for; version 2 interpolates.
        drop_path: probability of skipping a branch in the last block; rises from 0 at the first.

    Raises:
        UserError: the size does not divide into patches of 2 x 4 x 4.
    """

    def __init__(
        self,
        in_channels: int = 3,
        version: Literal[1, 2] = 2,
        width: int = 96,
        num_heads: int = 1,
        depth: int = 16,
        stages: Sequence[int] = (1, 3, 14),
        widen_in: Literal["attention", "mlp"] = "attention",
        num_frames: int = 16,
        crop_size: int = 224,
        drop_path: float = 0.2,
    ) -> None:
        super().__init__()
        from torchvision.models.video.mvit import MViT as Torchvision  # heavy

        if num_frames % 2 or crop_size % 4:
            raise UserError(
                f"encoder.num_frames={num_frames} and encoder.crop_size={crop_size} must be "
                "multiples of 2 and 4 (they follow clip.num_frames and clip.crop_size)"
            )
        blocks = _blocks(version, width, num_heads, depth, stages, widen_in)
        self.net = Torchvision(
            (crop_size, crop_size),
            num_frames,
            blocks,
            residual_pool=version == 2,
            residual_with_cls_embed=False,
            rel_pos_embed=version == 2,
            proj_after_attn=widen_in == "attention",
            stochastic_depth_prob=drop_path,
        )
        if in_channels != 3:
            self.net.conv_proj = nn.Conv3d(in_channels, width, (3, 7, 7), (2, 4, 4), (1, 3, 3))
        del self.net.head
        self.version, self.size = version, (num_frames, crop_size, crop_size)
        self.num_features = blocks[-1].output_channels

    def forward(self, x_BCTHW: Tensor) -> Tensor:
        size = tuple(x_BCTHW.shape[2:])
        if self.version == 1 and size != self.size:
            raise UserError(
                f"this MViT has positions for clips of {'x'.join(map(str, self.size))}, not "
                f"{'x'.join(map(str, size))}; set encoder.num_frames and encoder.crop_size"
            )
        maps_BDTHW = self.net.conv_proj(x_BCTHW)
        grid = tuple(maps_BDTHW.shape[2:])
        x_BSD = self.net.pos_encoding(maps_BDTHW.flatten(2).transpose(1, 2))
        for block in self.net.blocks:
            x_BSD, grid = block(x_BSD, grid)
        return self.net.norm(x_BSD)[:, :1]


def _blocks(
    version: int, width: int, num_heads: int, depth: int, stages: Sequence[int], widen_in: str
) -> list[Any]:
    """Torchvision's settings of each block."""
    from torchvision.models.video.mvit import MSBlockConfig

    settings, stride_kv = [], 8
    for number in range(depth):
        pools = number in stages
        if pools:
            num_heads, stride_kv = 2 * num_heads, max(1, stride_kv // 2)
        widens = (number if widen_in == "attention" else number + 1) in stages
        asks = pools or version == 2  # queries are pooled, even where nothing is halved
        settings.append(
            MSBlockConfig(
                num_heads=num_heads,
                input_channels=width,
                output_channels=2 * width if widens else width,
                kernel_q=[3, 3, 3] if asks else [],
                kernel_kv=[3, 3, 3],
                stride_q=([1, 2, 2] if pools else [1, 1, 1]) if asks else [],
                stride_kv=[1, stride_kv, stride_kv],
            )
        )
        width = settings[-1].output_channels
    return settings
