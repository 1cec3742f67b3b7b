"""X3D (Feichtenhofer 2020, "X3D: Expanding Architectures for Efficient Video Recognition")."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

from torch import Tensor, nn

from stfw.models.encoders._pool import checked_places, pooled_places
from stfw.models.encoders.resnet3d import Triple, conv_bn


def round_width(width: float) -> int:
    """To a multiple of 8, at least 8, never less than 90 % of it."""
    rounded = max(8, int(width + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * width else rounded + 8


class SqueezeExcitation(nn.Module):
    """Weighs each channel by what the whole clip shows (Hu et al. 2018)."""

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv3d(channels, squeezed, 1)
        self.excite = nn.Conv3d(squeezed, channels, 1)

    def forward(self, x_BCTHW: Tensor) -> Tensor:
        mean_BC111 = x_BCTHW.mean(dim=(2, 3, 4), keepdim=True)
        return x_BCTHW * self.excite(self.squeeze(mean_BC111).relu()).sigmoid()


class Block(nn.Module):
    """Inverted bottleneck: 1x1x1 widens, 3x3x3 depthwise, squeeze-excitation, swish, 1x1x1."""

    def __init__(
        self,
        wide_in: int,
        wide_out: int,
        inner: int,
        stride: Triple,
        squeezed: int,
        shortcut_norm: bool,
    ) -> None:
        super().__init__()
        self.a = conv_bn(wide_in, inner)
        self.b = conv_bn(inner, inner, (3, 3, 3), stride, groups=inner)
        self.se = SqueezeExcitation(inner, squeezed) if squeezed else nn.Identity()
        self.c = conv_bn(inner, wide_out)
        self.shortcut: nn.Module = nn.Identity()
        if wide_in != wide_out or stride != (1, 1, 1):
            self.shortcut = conv_bn(wide_in, wide_out, stride=stride)
            if wide_in == wide_out and not shortcut_norm:
                del self.shortcut.bn
        self.relu, self.swish = nn.ReLU(inplace=True), nn.SiLU(inplace=True)

    def forward(self, x_BCTHW: Tensor) -> Tensor:
        inner_BCTHW = self.swish(self.se(self.b(self.relu(self.a(x_BCTHW)))))
        return self.relu(self.shortcut(x_BCTHW) + self.c(inner_BCTHW))


class X3D(nn.Module):
    """A small 2D network, expanded step by step in time, frame rate, size, width and depth.

    X3D-XS, S and M are the defaults and differ in the clip alone (3,794,274 parameters with 400
    classes); X3D-L has ``depth=5`` (6,153,384). The projection to 2048 belongs to the encoder. It
    follows the pooling: the feature is one step (S = 1), or one for each place of ``pool_size``.

    Args:
        in_channels: C of the clip.
        width: expansion of the channels, over 12 of the stem.
        depth: expansion of the number of blocks, over 1, 2, 5 and 3.
        bottleneck: channels inside a block per channel outside.
        se_ratio: channels of squeeze-excitation per channel inside; 0: none. Every second block,
            beginning with the first, has one.
        first_shortcut_norm: batch norm in the shortcut of the first block, which halves the frame
            but keeps the channels: PySlowFast and MMAction2 have it (48 parameters more),
            PyTorchVideo has not.
        num_features: width of the feature.
        pool_size: window (H, W) of the last average on the maps; each of its places is a step, as
            for a test crop that is larger than the training crop. null: the whole frame, one step.
    """

    def __init__(
        self,
        in_channels: int = 3,
        width: float = 2.0,
        depth: float = 2.2,
        bottleneck: float = 2.25,
        se_ratio: float = 0.0625,
        first_shortcut_norm: bool = False,
        num_features: int = 2048,
        pool_size: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        self.pool_size = checked_places(pool_size)
        wide = round_width(12 * width)
        self.stem_space = nn.Conv3d(in_channels, wide, (1, 3, 3), (1, 2, 2), (0, 1, 1), bias=False)
        self.stem_time = conv_bn(wide, wide, (5, 1, 1), groups=wide)
        self.stages = nn.ModuleList()
        base = 12
        for num_blocks in (1, 2, 5, 3):
            wide_out = round_width(base * width)
            inner = int(bottleneck * wide_out)
            squeezed = round_width(inner * se_ratio) if se_ratio else 0
            blocks: list[nn.Module] = []
            for i in range(ceil(depth * num_blocks)):
                stride = (1, 2, 2) if i == 0 else (1, 1, 1)
                se = squeezed if i % 2 == 0 else 0
                blocks.append(Block(wide, wide_out, inner, stride, se, first_shortcut_norm))
                wide = wide_out
            self.stages.append(nn.Sequential(*blocks))
            base = round_width(base * 2)
        self.last = conv_bn(wide, inner)
        self.project = nn.Linear(inner, num_features, bias=False)
        self.relu = nn.ReLU(inplace=True)
        self.num_features = num_features
        self._init_weights()

    def maps(self, x_BCTHW: Tensor) -> Tensor:
        """The maps before the pooling, T x 1/32 of the frame."""
        x_BCTHW = self.relu(self.stem_time(self.stem_space(x_BCTHW)))
        for blocks in self.stages:
            x_BCTHW = blocks(x_BCTHW)
        return self.relu(self.last(x_BCTHW))

    def forward(self, x_BCTHW: Tensor) -> Tensor:
        return self.relu(self.project(pooled_places(self.maps(x_BCTHW), self.pool_size)))

    def _init_weights(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv3d | nn.Linear):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        for module in self.modules():
            if isinstance(module, Block):  # each residual branch begins at zero
                nn.init.zeros_(module.c.bn.weight)  # type: ignore[arg-type, union-attr]
