"""ST-ConvNet: 3D convolutions with spatio-temporal pooling; keeps its time steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn


class StConv(nn.Module):
    """Blocks of 3D convolution, batch norm, ReLU and pooling over space and time.

    The first convolution spans 5 x 5 pixels and halves the frame. Every block but the last pools
    space by 2, and a block pools time by 2 where ``time_pool`` says so. The remaining maps are
    averaged over space; every remaining moment is a step (S).

    With ``differences`` the network also sees what changes from each frame to the next, as further
    channels: a small network then finds motion in a tenth of the steps.

    Args:
        in_channels: C of the clip.
        channels: width of each block.
        time_pool: whether a block also pools time; one value per block.
        pool: ``max`` or ``average``.
        time_kernel: frames that the first convolution spans; odd.
        differences: append ``x[t+1] - x[t]`` (the last frame: 0) to the channels.
        channels_last: keep maps in memory channel by channel; on CPUs about twice as fast here.
    """

    def __init__(
        self,
        in_channels: int = 3,
        channels: Sequence[int] = (16, 32, 64),
        time_pool: Sequence[bool] = (False, True, False),
        pool: Literal["max", "average"] = "max",
        time_kernel: int = 3,
        differences: bool = True,
        channels_last: bool = True,
    ) -> None:
        super().__init__()
        if len(channels) != len(time_pool):
            raise ValueError(f"{len(channels)} channels but {len(time_pool)} time_pool values")
        pooling = nn.MaxPool3d if pool == "max" else nn.AvgPool3d
        self.differences = differences
        self.memory_format = torch.channels_last_3d if channels_last else torch.contiguous_format
        wide = in_channels * (2 if differences else 1)
        blocks: list[nn.Module] = []
        for number, (width, halve_time) in enumerate(zip(channels, time_pool, strict=True)):
            first, last = number == 0, number == len(channels) - 1
            kernel = (time_kernel, 5, 5) if first else (3, 3, 3)
            stride = (1, 2, 2) if first else (1, 1, 1)
            padding = (kernel[0] // 2, kernel[1] // 2, kernel[2] // 2)
            blocks += [
                nn.Conv3d(wide, width, kernel, stride, padding, bias=False),
                nn.BatchNorm3d(width),
                nn.ReLU(inplace=True),
            ]
            if halve_time or not last:
                space = 1 if last else 2
                blocks.append(pooling((2 if halve_time else 1, space, space), ceil_mode=True))
            wide = width
        self.blocks = nn.Sequential(*blocks).to(memory_format=self.memory_format)
        self.num_features = wide

    def maps(self, x_BCTHW: Tensor) -> Tensor:
        """The last block's maps."""
        if self.differences:
            change_BCTHW = torch.zeros_like(x_BCTHW)
            change_BCTHW[:, :, :-1] = x_BCTHW[:, :, 1:] - x_BCTHW[:, :, :-1]
            x_BCTHW = torch.cat([x_BCTHW, 2 * change_BCTHW], dim=1)
        return self.blocks(x_BCTHW.contiguous(memory_format=self.memory_format))

    def forward(self, x_BCTHW: Tensor) -> Tensor:
        return self.maps(x_BCTHW).mean(dim=(3, 4)).transpose(1, 2)
