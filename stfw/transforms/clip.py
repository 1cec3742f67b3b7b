"""Transforms of one video's clips in space, on uint8 pixels, before they leave the loader.

Each is called with ``x_NCTHW`` (uint8), a numpy generator and the kind of stream; the same numbers
hold for every frame, clip and stream of a view, so that motion stays motion.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torchvision.transforms.v2 import functional as tv

from stfw.transforms.pipeline import fold_frames, unfold_frames
from stfw.types import UserError


class RandomCrop:
    """Cuts a square of ``size`` pixels at a random place."""

    def __init__(self, size: int) -> None:
        self.size = size

    def __call__(self, x_NCTHW: Tensor, generator: np.random.Generator, kind: str) -> Tensor:
        height, width = x_NCTHW.shape[-2:]
        _check_fits(self.size, height, width)
        top = int(generator.integers(0, height - self.size + 1))
        left = int(generator.integers(0, width - self.size + 1))
        return x_NCTHW[..., top : top + self.size, left : left + self.size]


class CenterCrop:
    """Cuts a square of ``size`` pixels from the middle."""

    def __init__(self, size: int) -> None:
        self.size = size

    def __call__(self, x_NCTHW: Tensor, generator: np.random.Generator, kind: str) -> Tensor:
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

    def __call__(self, x_NCTHW: Tensor, generator: np.random.Generator, kind: str) -> Tensor:
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


class MultiScaleCrop:
    """Cuts a box at a corner or the centre and resizes it to a square (Wang et al. 2016, TSN).

    Height and width of the box are drawn apart, from shares of the frame's shorter side, at most
    one step of the list from each other.

    Args:
        size: side of the result.
        scales: shares of the shorter side, falling.
    """

    def __init__(self, size: int, scales: Sequence[float] = (1.0, 0.875, 0.75, 0.66)) -> None:
        if not scales or any(not 0 < scale <= 1 for scale in scales):
            raise UserError(f"multi-scale crop: scales={list(scales)} must lie above 0, at most 1")
        self.size, self.scales = size, list(scales)

    def __call__(self, x_NCTHW: Tensor, generator: np.random.Generator, kind: str) -> Tensor:
        height, width = x_NCTHW.shape[-2:]
        pairs = [
            (one, other)
            for i, one in enumerate(self.scales)
            for k, other in enumerate(self.scales)
            if abs(i - k) <= 1
        ]
        scale_y, scale_x = pairs[int(generator.integers(len(pairs)))]
        box_height = max(1, round(min(height, width) * scale_y))
        box_width = max(1, round(min(height, width) * scale_x))
        places = [(0.5, 0.5), (0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0)]
        share_y, share_x = places[int(generator.integers(len(places)))]
        top, left = round((height - box_height) * share_y), round((width - box_width) * share_x)
        box = x_NCTHW[..., top : top + box_height, left : left + box_width]
        return resize(box, self.size, self.size)


class RandomShortSide:
    """Brings the shorter side to a random length, shape kept (Simonyan and Zisserman 2015).

    Args:
        min_size: smallest length in pixels.
        max_size: largest; best ``clip.short_side``, so that frames only ever shrink.
    """

    def __init__(self, min_size: int, max_size: int) -> None:
        if not 0 < min_size <= max_size:
            raise UserError(f"short side: min_size={min_size} must lie above 0, at most {max_size}")
        self.min_size, self.max_size = min_size, max_size

    def __call__(self, x_NCTHW: Tensor, generator: np.random.Generator, kind: str) -> Tensor:
        height, width = x_NCTHW.shape[-2:]
        scale = int(generator.integers(self.min_size, self.max_size + 1)) / min(height, width)
        return resize(x_NCTHW, round(height * scale), round(width * scale))


class HorizontalFlip:
    """Mirrors left and right with probability ``prob``; wrong where direction is the label.

    Of flow the x component changes its sign as well.
    """

    def __init__(self, prob: float = 0.5) -> None:
        if not 0 <= prob <= 1:
            raise UserError(f"flip.prob={prob} is no probability; give a number from 0 to 1")
        self.prob = prob

    def __call__(self, x_NCTHW: Tensor, generator: np.random.Generator, kind: str) -> Tensor:
        return mirrored(x_NCTHW, kind) if generator.random() < self.prob else x_NCTHW


class RandomRotation:
    """Turns all frames by the same angle about the centre; what comes in is mid-grey, no motion.

    Of flow the vectors turn too.

    Args:
        degrees: the angle is drawn from ``[-degrees, degrees]``, counterclockwise.
    """

    def __init__(self, degrees: float) -> None:
        if degrees < 0:
            raise UserError(f"rotation: degrees={degrees} is below 0")
        self.degrees = degrees

    def __call__(self, x_NCTHW: Tensor, generator: np.random.Generator, kind: str) -> Tensor:
        angle = float(generator.uniform(-self.degrees, self.degrees))
        # around 0, because the border is blended with the fill more than once
        x_FCHW = fold_frames(x_NCTHW).float() - 127.5
        x_FCHW = tv.rotate(x_FCHW, angle, tv.InterpolationMode.BILINEAR, fill=[0.0])
        if kind == "flow":
            x_FCHW = _turned(x_FCHW, angle)
        x_FCHW = (x_FCHW + 127.5).round().clamp(0, 255).to(torch.uint8)
        return unfold_frames(x_FCHW, len(x_NCTHW))


def _turned(flow_F2HW: Tensor, angle: float) -> Tensor:
    """Vectors around 0, turned counterclockwise; y points down."""
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    x, y = flow_F2HW.unbind(1)
    return torch.stack([cos * x + sin * y, cos * y - sin * x], dim=1)


def mirrored(x_NCTHW: Tensor, kind: str) -> Tensor:
    """Left and right exchanged; motion to the right becomes motion to the left."""
    x_NCTHW = x_NCTHW.flip(-1)
    if kind == "flow":
        x_NCTHW = torch.cat([255 - x_NCTHW[:, :1], x_NCTHW[:, 1:]], dim=1)
    return x_NCTHW


def resize(x_NCTHW: Tensor, height: int, width: int) -> Tensor:
    """Bilinear resize of uint8 frames with antialiasing."""
    x_FCHW = functional.interpolate(
        fold_frames(x_NCTHW), (height, width), mode="bilinear", antialias=True, align_corners=False
    )
    return unfold_frames(x_FCHW, len(x_NCTHW))


def _check_fits(size: int, height: int, width: int) -> None:
    if size > height or size > width:
        raise UserError(
            f"a crop of {size} does not fit into frames of {height}x{width}; "
            f"set clip.short_side={size} or a smaller clip.crop_size"
        )
