"""Transforms of one video's clips, on uint8 pixels, before they leave the loader.

Each is called with ``x_NCTHW`` (uint8) and a numpy generator; the same numbers hold for every
frame and clip of the video, so that motion stays motion.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
from torch import Tensor
from torch.nn import functional

from stfw.types import UserError

ClipTransform = Callable[[Tensor, np.random.Generator], Tensor]


class RandomCrop:
    """Cuts a square of ``size`` pixels at a random place."""

    def __init__(self, size: int) -> None:
        self.size = size

    def __call__(self, x_NCTHW: Tensor, generator: np.random.Generator) -> Tensor:
        height, width = x_NCTHW.shape[-2:]
        _check_fits(self.size, height, width)
        top = int(generator.integers(0, height - self.size + 1))
        left = int(generator.integers(0, width - self.size + 1))
        return x_NCTHW[..., top : top + self.size, left : left + self.size]


class CenterCrop:
    """Cuts a square of ``size`` pixels from the middle."""

    def __init__(self, size: int) -> None:
        self.size = size

    def __call__(self, x_NCTHW: Tensor, generator: np.random.Generator) -> Tensor:
        height, width = x_NCTHW.shape[-2:]
        _check_fits(self.size, height, width)
        top, left = (height - self.size) // 2, (width - self.size) // 2
        return x_NCTHW[..., top : top + self.size, left : left + self.size]


class RandomResizedCrop:
    """Cuts a box of random area and shape and resizes it to a square (Szegedy et al. 2015).

    Args:
        size: side of the result.
        min_scale: smallest share of the frame's area.
        max_scale: largest share of the frame's area.
        max_ratio: aspect ratios are drawn log-uniformly from ``[1 / max_ratio, max_ratio]``.
    """

    def __init__(
        self, size: int, min_scale: float = 0.35, max_scale: float = 1.0, max_ratio: float = 4 / 3
    ) -> None:
        if not 0 < min_scale <= max_scale <= 1:
            raise UserError(
                f"random resized crop: min_scale={min_scale} and max_scale={max_scale} must "
                "satisfy 0 < min_scale <= max_scale <= 1"
            )
        self.size, self.min_scale, self.max_scale, self.max_ratio = (
            size,
            min_scale,
            max_scale,
            max_ratio,
        )

    def __call__(self, x_NCTHW: Tensor, generator: np.random.Generator) -> Tensor:
        height, width = x_NCTHW.shape[-2:]
        for _ in range(10):
            area = height * width * generator.uniform(self.min_scale, self.max_scale)
            ratio = math.exp(generator.uniform(-math.log(self.max_ratio), math.log(self.max_ratio)))
            box_height, box_width = (
                round(math.sqrt(area / ratio)),
                round(math.sqrt(area * ratio)),
            )
            if 0 < box_height <= height and 0 < box_width <= width:
                break
        else:  # the frame is too oblong for every draw
            box_height = box_width = min(height, width)
        top = int(generator.integers(0, height - box_height + 1))
        left = int(generator.integers(0, width - box_width + 1))
        box = x_NCTHW[..., top : top + box_height, left : left + box_width]
        return resize(box, self.size, self.size)


class HorizontalFlip:
    """Mirrors left and right with probability ``prob``; wrong where direction is the label."""

    def __init__(self, prob: float = 0.5) -> None:
        if not 0 <= prob <= 1:
            raise UserError(f"flip.prob={prob} is no probability; give a number from 0 to 1")
        self.prob = prob

    def __call__(self, x_NCTHW: Tensor, generator: np.random.Generator) -> Tensor:
        return x_NCTHW.flip(-1) if generator.random() < self.prob else x_NCTHW


class Pipeline:
    """Runs named steps in their order; a step set to null is left out."""

    def __init__(self, steps: Mapping[str, ClipTransform | None]) -> None:
        self.steps = {name: step for name, step in steps.items() if step is not None}

    def __call__(self, x_NCTHW: Tensor, generator: np.random.Generator) -> Tensor:
        for step in self.steps.values():
            x_NCTHW = step(x_NCTHW, generator)
        return x_NCTHW


def resize(x_NCTHW: Tensor, height: int, width: int) -> Tensor:
    """Bilinear resize of uint8 frames with antialiasing."""
    N, C, T = x_NCTHW.shape[:3]
    x_FCHW = x_NCTHW.transpose(1, 2).reshape(N * T, C, *x_NCTHW.shape[-2:])
    x_FCHW = functional.interpolate(
        x_FCHW, (height, width), mode="bilinear", antialias=True, align_corners=False
    )
    return x_FCHW.reshape(N, T, C, height, width).transpose(1, 2)


def _check_fits(size: int, height: int, width: int) -> None:
    if size > height or size > width:
        raise UserError(
            f"a crop of {size} does not fit into frames of {height}x{width}; "
            f"set clip.short_side={size} or a smaller clip.crop_size"
        )
