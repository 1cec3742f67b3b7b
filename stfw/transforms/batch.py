"""Transforms of a whole batch, on the device, after the uint8 pixels have been moved there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn


class Normalize(nn.Module):
    """uint8 0..255 to float: ``(x / 255 - mean) / std`` per channel.

    Args:
        mean: per channel, of values in 0..1.
        std: per channel, of values in 0..1.
    """

    mean_C: Tensor
    std_C: Tensor

    def __init__(
        self,
        mean: Sequence[float] = (0.45, 0.45, 0.45),
        std: Sequence[float] = (0.225, 0.225, 0.225),
    ) -> None:
        super().__init__()
        self.register_buffer("mean_C", torch.tensor(list(mean)) * 255, persistent=False)
        self.register_buffer("std_C", torch.tensor(list(std)) * 255, persistent=False)

    def forward(self, x_BVNCTHW: Tensor) -> Tensor:
        shape = (-1, 1, 1, 1)
        return (x_BVNCTHW.float() - self.mean_C.view(shape)) / self.std_C.view(shape)


class BatchPipeline(nn.Sequential):
    """Runs named steps in their order; a step set to null is left out."""

    def __init__(self, steps: Mapping[str, nn.Module | None]) -> None:
        super().__init__()
        for name, step in steps.items():
            if step is not None:
                self.add_module(name, step)
