"""Fusion of maps by convolution (Feichtenhofer et al. 2016)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from stfw.models.fusions.presence import masked
from stfw.types import UserError


class Conv(nn.Module):
    """Maps of all streams stacked as channels, then one convolution and ReLU.

    So what both streams see at a place and moment meets there. Where widths allow, the convolution
    begins as the sum of the streams. A stream that a video lacks is 0.

    Args:
        in_features: stream name to the channels of its maps.
        hidden_size: channels of the result; None: the first stream's.
        kernel_size: time, height and width that the convolution spans; odd. The article's are
            (1, 1, 1) and (3, 3, 3).
        space_pool: what the chain does with the joined maps of a moment. ``max``, as in the article
            (which keeps 7 x 7 places for its fully connected layers, where here one is left); or
            ``mean``, what residual encoders are trained with, and every place gets a gradient.

    Raises:
        UserError: an even ``kernel_size``; when called, maps of different sizes.
    """

    level = "maps"

    def __init__(
        self,
        in_features: dict[str, int],
        hidden_size: int | None = None,
        kernel_size: tuple[int, int, int] = (3, 3, 3),
        space_pool: Literal["mean", "max"] = "mean",
    ) -> None:
        super().__init__()
        if any(size % 2 == 0 for size in kernel_size):
            raise UserError(f"fusion.kernel_size={list(kernel_size)}: all three must be odd")
        self.space_pool = space_pool
        self.streams, widths = list(in_features), list(in_features.values())
        self.num_features = hidden_size or widths[0]
        kernel = (kernel_size[0], kernel_size[1], kernel_size[2])
        padding = (kernel[0] // 2, kernel[1] // 2, kernel[2] // 2)
        self.conv = nn.Conv3d(sum(widths), self.num_features, kernel, padding=padding)
        if set(widths) == {self.num_features}:
            t, y, x = padding
            with torch.no_grad():
                self.conv.weight[:, :, t, y, x] = torch.eye(self.num_features).repeat(
                    1, len(widths)
                )
            nn.init.zeros_(self.conv.bias)  # type: ignore[arg-type]

    def forward(self, by_stream: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        sizes = {name: "x".join(map(str, by_stream[name].shape[2:])) for name in self.streams}
        if len(set(sizes.values())) > 1:
            told = ", ".join(f"{name} {size}" for name, size in sizes.items())
            raise UserError(
                f"fusion=conv needs maps of one size T x H x W, and they are: {told}; set "
                "streams.<name>.num_frames, stack or encoder so that they agree"
            )
        stacked_BCTHW = torch.cat(
            [masked(name, by_stream, present) for name in self.streams], dim=1
        )
        return self.conv(stacked_BCTHW).relu()
