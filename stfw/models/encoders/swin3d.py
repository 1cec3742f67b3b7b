"""Video Swin Transformer (Liu et al. 2022): torchvision's network in all its sizes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from torch import Tensor, nn


class Swin3D(nn.Module):
    """Attention within shifted 3D windows, patches merged from stage to stage; S = 1.

    Clips of any size are taken: the network pads. With 400 classes at 32 x 224 x 224: T 28,158,070
    parameters and 87.8 GMACs; S (depths 2 2 18 2) 49,816,678 and 165.7; B (width 128, heads
    4 8 16 32) 88,048,984 and 281.3; L (width 192, heads 6 12 24 48) 196,953,916 and 603.3.

    Args:
        in_channels: C of the clip.
        width: D of the first stage; doubles with each further one.
        depths: blocks of each stage.
        num_heads: heads of each stage.
        window: frames, rows and columns of a window, counted in patches.
        patch: frames, rows and columns of a patch.
        drop_path: probability of skipping a branch in the last block; rises from 0 at the first.
    """

    def __init__(
        self,
        in_channels: int = 3,
        width: int = 96,
        depths: Sequence[int] = (2, 2, 6, 2),
        num_heads: Sequence[int] = (3, 6, 12, 24),
        window: Sequence[int] = (8, 7, 7),
        patch: Sequence[int] = (2, 4, 4),
        drop_path: float = 0.1,
    ) -> None:
        super().__init__()
        from torchvision.models.video.swin_transformer import PatchEmbed3d, SwinTransformer3d

        if len(depths) != len(num_heads):
            raise ValueError(f"{len(depths)} depths but {len(num_heads)} num_heads; one per stage")
        self.net = SwinTransformer3d(
            list(patch),
            width,
            list(depths),
            list(num_heads),
            list(window),
            stochastic_depth_prob=drop_path,
            patch_embed=partial(PatchEmbed3d, in_channels=in_channels),
        )
        self.num_features = self.net.num_features
        del self.net.head, self.net.avgpool

    def maps(self, x_BCTHW: Tensor) -> Tensor:
        """The last stage, normalised: B D T/2 H/32 W/32."""
        x_BTHWD = self.net.features(self.net.patch_embed(x_BCTHW))
        return self.net.norm(x_BTHWD).permute(0, 4, 1, 2, 3)

    def pool(self, maps_BDTHW: Tensor) -> Tensor:
        """The mean over space and time: B 1 D."""
        return maps_BDTHW.mean(dim=(2, 3, 4)).unsqueeze(1)

    def forward(self, x_BCTHW: Tensor) -> Tensor:
        return self.pool(self.maps(x_BCTHW))
