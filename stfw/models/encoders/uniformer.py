"""UniFormer (Li et al. 2022): convolution where maps are large, attention where they are small."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from stfw.models.encoders._vit import Block, drop_path_rates, init_weights, token_grid


class UniFormer(nn.Module):
    """Two stages of local convolution, two of global attention; S = 1.

    With 400 classes at 16 x 224 x 224: S 21,400,400 parameters and 41.7 GMACs; B (depths
    5 8 20 7) 49,813,200 and 96.6.

    Args:
        in_channels: C of the clip.
        widths: D of each of the four stages.
        depths: blocks of each stage.
        head_width: features of a head.
        drop_path: probability of skipping a branch in the last block; rises from 0 at the first.
    """

    def __init__(
        self,
        in_channels: int = 3,
        widths: Sequence[int] = (64, 128, 320, 512),
        depths: Sequence[int] = (3, 4, 8, 3),
        head_width: int = 64,
        drop_path: float = 0.1,
    ) -> None:
        super().__init__()
        if len(widths) != 4 or len(depths) != 4:
            raise ValueError(f"widths {list(widths)} and depths {list(depths)}: give four of each")
        rates = iter(drop_path_rates(drop_path, sum(depths)))
        stages: list[nn.Module] = []
        wide = in_channels
        for stage, (width, depth) in enumerate(zip(widths, depths, strict=True)):
            blocks = [
                _LocalBlock(width, next(rates))
                if stage < 2
                else _GlobalBlock(width, width // head_width, next(rates))
                for _ in range(depth)
            ]
            patches = _Patches(wide, width, first=stage == 0)
            stages.append(nn.Sequential(patches, nn.Sequential(*blocks)))
            wide = width
        self.stages = nn.Sequential(*stages)
        self.norm = nn.BatchNorm3d(wide)
        self.num_features = wide
        init_weights(self)

    def maps(self, x_BCTHW: Tensor) -> Tensor:
        """The last stage, normalised: B D T/2 H/32 W/32.

        Raises:
            UserError: the clip does not divide so.
        """
        token_grid(x_BCTHW.shape[2:], (2, 32, 32))
        return self.norm(self.stages(x_BCTHW))

    def pool(self, maps_BDTHW: Tensor) -> Tensor:
        """The mean over space and time: B 1 D."""
        return maps_BDTHW.mean(dim=(2, 3, 4)).unsqueeze(1)

    def forward(self, x_BCTHW: Tensor) -> Tensor:
        return self.pool(self.maps(x_BCTHW))


class _Patches(nn.Module):
    """Patches side by side, normalised; the first also halve time, and overlap along it."""

    def __init__(self, wide: int, width: int, first: bool) -> None:
        super().__init__()
        side = 4 if first else 2
        self.proj = nn.Conv3d(
            wide,
            width,
            (3 if first else 1, side, side),
            (2 if first else 1, side, side),
            (1 if first else 0, 0, 0),
        )
        self.norm = nn.LayerNorm(width)

    def forward(self, x_BDTHW: Tensor) -> Tensor:
        return self.norm(self.proj(x_BDTHW).movedim(1, -1)).movedim(-1, 1)


class _LocalBlock(nn.Module):
    """A block whose attention is a convolution of 5 x 5 x 5, each feature by itself."""

    def __init__(self, width: int, drop_path: float) -> None:
        super().__init__()
        from timm.layers import DropPath

        self.position = nn.Conv3d(width, width, 3, padding=1, groups=width)
        self.attn = nn.Sequential(
            nn.BatchNorm3d(width),
            nn.Conv3d(width, width, 1),
            nn.Conv3d(width, width, 5, padding=2, groups=width),
            nn.Conv3d(width, width, 1),
        )
        self.mlp = nn.Sequential(
            nn.BatchNorm3d(width),
            nn.Conv3d(width, 4 * width, 1),
            nn.GELU(),
            nn.Conv3d(4 * width, width, 1),
        )
        self.drop_path = DropPath(drop_path)

    def forward(self, x_BDTHW: Tensor) -> Tensor:
        x_BDTHW = x_BDTHW + self.position(x_BDTHW)
        x_BDTHW = x_BDTHW + self.drop_path(self.attn(x_BDTHW))
        return x_BDTHW + self.drop_path(self.mlp(x_BDTHW))


class _GlobalBlock(Block):
    """A transformer block over all places and moments, positions by a convolution."""

    def __init__(self, width: int, num_heads: int, drop_path: float) -> None:
        super().__init__(width, num_heads, drop_path)
        self.position = nn.Conv3d(width, width, 3, padding=1, groups=width)

    def forward(self, x_BDTHW: Tensor) -> Tensor:
        x_BDTHW = x_BDTHW + self.position(x_BDTHW)
        tokens_BSD = super().forward(x_BDTHW.flatten(2).transpose(1, 2))
        return tokens_BSD.transpose(1, 2).unflatten(2, x_BDTHW.shape[2:])
