"""SlowFast (Feichtenhofer et al. 2019, "SlowFast Networks for Video Recognition")."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle, islice
from typing import Literal

import torch
from torch import Tensor, nn

from stfw.models.encoders._pool import checked_places, pooled_places
from stfw.models.encoders.resnet3d import (
    Bottleneck,
    conv_bn,
    init_resnet,
    num_blocks_of,
    stage,
    stem,
)


def lateral(width: int, ratio: int, time_kernel: int, alpha: int, norm: bool) -> nn.Sequential:
    """From fast maps to slow ones: a convolution in time with stride ``alpha``."""
    layers = conv_bn(width, width * ratio, (time_kernel, 1, 1), (alpha, 1, 1))
    if not norm:
        del layers.bn
        return layers
    layers.add_module("relu", nn.ReLU(inplace=True))
    return layers


class SlowFast(nn.Module):
    """Two ResNets on one clip: few frames with many channels, many frames with few channels.

    The clip is that of the fast path; the slow path takes T / ``alpha`` of its frames. Before each
    stage the slow path also gets the fast path's maps, through a convolution in time. R50 8x8 has
    34,566,488 parameters with 400 classes (PySlowFast, PyTorchVideo). MMAction2's networks differ
    in two settings: no batch norm and ReLU behind the lateral convolutions
    (``lateral_norm=false``: 928 parameters fewer), and slow frames with a constant step
    (``slow_frames=strided``).

    Args:
        in_channels: C of the clip.
        depth: of the slow path: 50, 101 or 152 layers.
        fast_depth: of the fast path; null: the same.
        alpha: fast frames per slow frame; it divides T.
        beta: slow channels per fast channel.
        lateral_kernel: fast frames that a lateral convolution spans.
        lateral_ratio: channels that it gives, per channel of the fast path.
        lateral_norm: batch norm and ReLU behind it.
        slow_time_kernels: per stage, frames that the slow path's blocks span; repeated.
        fast_time_kernels: the same for the fast path.
        max_time_blocks: only so many blocks of a stage span time (R101-50-50: 6); null: all.
        slow_frames: ``linspace`` (from the first frame to the last, as PySlowFast) or
            ``strided`` (every ``alpha``-th).
        pool_size: window (H, W) of the last average on the maps of both paths; each of its places
            is a step, as for a test crop that is larger than the training crop. null: the whole
            frame, one step.

    Raises:
        ValueError: no such depth, kernels without a value per stage, or ``alpha`` does not
            divide T.
    """

    def __init__(
        self,
        in_channels: int = 3,
        depth: int = 50,
        fast_depth: int | None = None,
        alpha: int = 4,
        beta: int = 8,
        lateral_kernel: int = 7,
        lateral_ratio: int = 2,
        lateral_norm: bool = True,
        slow_time_kernels: Sequence[Sequence[int]] = ((1,), (1,), (3,), (3,)),
        fast_time_kernels: Sequence[Sequence[int]] = ((3,), (3,), (3,), (3,)),
        max_time_blocks: int | None = None,
        slow_frames: Literal["linspace", "strided"] = "linspace",
        pool_size: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        for name, per_stage in (
            ("slow_time_kernels", slow_time_kernels),
            ("fast_time_kernels", fast_time_kernels),
        ):
            if len(per_stage) != 4:
                raise ValueError(f"encoder.{name} has {len(per_stage)} values; there are 4 stages")
        self.alpha, self.slow_frames = alpha, slow_frames
        self.pool_size = checked_places(pool_size)
        self.slow_stem = stem(in_channels, 64, time_kernel=1)
        self.fast_stem = stem(in_channels, 64 // beta, time_kernel=5)
        self.laterals = nn.ModuleList()
        self.slow_stages, self.fast_stages = nn.ModuleList(), nn.ModuleList()
        blocks = {"slow": num_blocks_of(depth), "fast": num_blocks_of(fast_depth or depth)}

        def add(path: str, i: int, wide_in: int, width: int, kernels: Sequence[int]) -> int:
            num_blocks, stride = blocks[path][i], (1, 1, 1) if i == 0 else (1, 2, 2)
            time_kernels = list(islice(cycle(kernels), num_blocks))
            if max_time_blocks is not None:
                time_kernels[max_time_blocks:] = [1] * len(time_kernels[max_time_blocks:])
            stages = self.slow_stages if path == "slow" else self.fast_stages
            stages.append(stage(wide_in, width, num_blocks, time_kernels, stride))
            return width * Bottleneck.expansion

        slow, fast = 64, 64 // beta
        for i in range(4):
            self.laterals.append(lateral(fast, lateral_ratio, lateral_kernel, alpha, lateral_norm))
            slow = add("slow", i, slow + fast * lateral_ratio, 64 * 2**i, slow_time_kernels[i])
            fast = add("fast", i, fast, 64 // beta * 2**i, fast_time_kernels[i])
        self.num_features = slow + fast
        # both paths side by side, for freezing and layer-wise learning rates
        self.depth_parts = [["slow_stem", "fast_stem"]] + [
            [f"laterals.{i}", f"slow_stages.{i}", f"fast_stages.{i}"] for i in range(4)
        ]
        init_resnet(self, zero_init=True)

    def paths(self, x_BCTHW: Tensor) -> tuple[Tensor, Tensor]:
        """The last maps of the slow path (T / alpha) and of the fast path (T)."""
        T = x_BCTHW.shape[2]
        if T % self.alpha:
            raise ValueError(
                f"clip.num_frames={T} cannot be divided by encoder.alpha={self.alpha}: "
                f"take {T // self.alpha * self.alpha + self.alpha} frames"
            )
        slow_BCTHW = self.slow_stem(x_BCTHW[:, :, self.slow_numbers(T)])
        fast_BCTHW = self.fast_stem(x_BCTHW)
        for join, slow_stage, fast_stage in zip(
            self.laterals, self.slow_stages, self.fast_stages, strict=True
        ):
            slow_BCTHW = slow_stage(torch.cat([slow_BCTHW, join(fast_BCTHW)], dim=1))
            fast_BCTHW = fast_stage(fast_BCTHW)
        return slow_BCTHW, fast_BCTHW

    def slow_numbers(self, num_frames: int) -> list[int]:
        """Numbers of the frames that the slow path sees."""
        num_slow = num_frames // self.alpha
        if self.slow_frames == "strided" or num_slow == 1:
            return list(range(0, num_frames, self.alpha))
        # torch.linspace(0, T - 1, T // alpha), truncated
        return [i * (num_frames - 1) // (num_slow - 1) for i in range(num_slow)]

    def maps(self, x_BCTHW: Tensor) -> Tensor:
        """The slow path's last maps: T / alpha x 1/32 of the frame."""
        return self.paths(x_BCTHW)[0]

    def forward(self, x_BCTHW: Tensor) -> Tensor:
        steps = [pooled_places(maps_BCTHW, self.pool_size) for maps_BCTHW in self.paths(x_BCTHW)]
        return torch.cat(steps, dim=2)
