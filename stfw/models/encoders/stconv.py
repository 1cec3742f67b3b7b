"""ST-ConvNet: 3D convolutions with spatio-temporal pooling; keeps its time steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn


class StConv(nn.Module):
    """Blocks of 3x3x3 convolution, batch norm, ReLU and pooling over space and time.

    The first convolution halves the frame; each further block pools space by 2, and time by 2
    where ``time_pool`` says so. The remaining maps are averaged over space, and every remaining
    moment is a step (S).

    Args:
        in_channels: C of the clip.
        channels: width of each block.
        time_pool: whether a block also pools time by 2; one value per block.
        pool: ``max`` or ``average``.
        time_kernel: frames that the first convolution spans.
    """

    def __init__(
        self,
        in_channels: int = 3,
        channels: Sequence[int] = (16, 32, 64, 128),
        time_pool: Sequence[bool] = (False, True, True, False),
        pool: Literal["max", "average"] = "max",
        time_kernel: int = 5,
    ) -> None:
        super().__init__()
        if len(channels) != len(time_pool):
            raise ValueError(f"{len(channels)} channels but {len(time_pool)} time_pool values")
        pooling = nn.MaxPool3d if pool == "max" else nn.AvgPool3d
        blocks: list[nn.Module] = []
        wide = in_channels
        for number, (width, halve_time) in enumerate(zip(channels, time_pool, strict=True)):
            first = number == 0
            kernel = (time_kernel, 5, 5) if first else (3, 3, 3)
            stride = (1, 2, 2) if first else 1
            padding = tuple(k // 2 for k in kernel)
            blocks += [
                nn.Conv3d(wide, width, kernel, stride, padding, bias=False),
                nn.BatchNorm3d(width),
                nn.ReLU(inplace=True),
            ]
            last = number == len(channels) - 1
            if halve_time or not (first or last):
                size = (2 if halve_time else 1, 1 if last else 2, 1 if last else 2)
                blocks.append(pooling(size, ceil_mode=True))
            wide = width
        self.blocks = nn.Sequential(*blocks)
        self.num_features = wide

    def maps(self, x_BCTHW: Tensor) -> Tensor:
        """The last block's maps."""
        return self.blocks(x_BCTHW)

    def forward(self, x_BCTHW: Tensor) -> Tensor:
        return self.maps(x_BCTHW).mean(dim=(3, 4)).transpose(1, 2)
