"""VideoMAE's ViT (Tong et al. 2022; Wang et al. 2023 for version 2)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from stfw.models.encoders._vit import (
    Block,
    drop_path_rates,
    init_weights,
    sinusoid,
    token_grid,
)


class VideoMAE(nn.Module):
    """A vision transformer on tubelets; every token looks at every other; S = 1.

    Positions are fixed sines and cosines, so clips of any size that divides into tubelets are
    taken. Keys have no bias. The mean of all tokens is normalised. With 400 classes, and
    16 x 224 x 224: S (384, 12, 6) 22,033,936 parameters and 56.9 GMACs; B 86,534,800 and 180.3;
    L (1024, 24, 16) 304,270,736 and 596.8; H (1280, 32, 16) 632,119,440 and 1191.0.

    ``embed``, ``encode`` and ``pool`` are apart, so that masked pre-training can drop tokens
    between the first two.

    Args:
        in_channels: C of the clip.
        width: D.
        depth: number of blocks.
        num_heads: heads of the attention.
        tubelet: frames, rows and columns of a tubelet.
        drop_path: probability of skipping a branch in the last block; rises from 0 at the first.
    """

    def __init__(
        self,
        in_channels: int = 3,
        width: int = 768,
        depth: int = 12,
        num_heads: int = 12,
        tubelet: Sequence[int] = (2, 16, 16),
        drop_path: float = 0.1,
    ) -> None:
        super().__init__()
        self.tubelet = (tubelet[0], tubelet[1], tubelet[2])
        self.patch = nn.Conv3d(in_channels, width, self.tubelet, self.tubelet)
        self.blocks = nn.ModuleList(
            Block(width, num_heads, rate, key_bias=False)
            for rate in drop_path_rates(drop_path, depth)
        )
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.num_features = width
        init_weights(self)

    def embed(self, x_BCTHW: Tensor) -> Tensor:
        """Tubelets with their positions, B S D; time, then rows, then columns.

        Raises:
            UserError: the clip does not divide into tubelets.
        """
        token_grid(x_BCTHW.shape[2:], self.tubelet)
        tokens_BSD = self.patch(x_BCTHW).flatten(2).transpose(1, 2)
        positions_SD = sinusoid(tokens_BSD.shape[1], self.num_features, tokens_BSD.device)
        return tokens_BSD + positions_SD.to(tokens_BSD.dtype)

    def encode(self, tokens_BSD: Tensor) -> Tensor:
        """The blocks over any tokens, all or those that a mask leaves."""
        for block in self.blocks:
            tokens_BSD = block(tokens_BSD)
        return tokens_BSD

    def maps(self, x_BCTHW: Tensor) -> Tensor:
        """The last block's tokens in their places: B D T/2 H/16 W/16."""
        T, H, W = token_grid(x_BCTHW.shape[2:], self.tubelet)
        return self.encode(self.embed(x_BCTHW)).transpose(1, 2).unflatten(2, (T, H, W))

    def pool(self, maps_BDTHW: Tensor) -> Tensor:
        """The mean of all tokens, normalised: B 1 D."""
        return self.norm(maps_BDTHW.flatten(2).mean(dim=2)).unsqueeze(1)

    def forward(self, x_BCTHW: Tensor) -> Tensor:
        return self.pool(self.maps(x_BCTHW))
