"""Transforms of colours, on uint8 pixels of RGB streams; other kinds pass through them.

The same numbers hold for every frame and clip of a view.
"""

from __future__ import annotations

import math

import numpy as np
from torch import Tensor
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as tv

from stfw.transforms.pipeline import fold_frames, seeded, unfold_frames
from stfw.types import UserError


class ColourJitter:
    """Changes brightness, contrast, saturation and hue by random factors.

    Args:
        brightness: factors are drawn from ``[max(0, 1 - brightness), 1 + brightness]``.
        contrast: in the same way.
        saturation: in the same way.
        hue: turns of the colour wheel are drawn from ``[-hue, hue]``, at most 0.5.
    """

    def __init__(
        self,
        brightness: float = 0.4,
        contrast: float = 0.4,
        saturation: float = 0.4,
        hue: float = 0.1,
    ) -> None:
        self.transform = v2.ColorJitter(brightness, contrast, saturation, hue)

    def __call__(self, x_NCTHW: Tensor, generator: np.random.Generator, kind: str) -> Tensor:
        if kind != "rgb":
            return x_NCTHW
        x_FCHW = seeded(self.transform, fold_frames(x_NCTHW), generator)
        return unfold_frames(x_FCHW, len(x_NCTHW))


class Grayscale:
    """Takes the colours away with probability ``prob``; three equal channels remain."""

    def __init__(self, prob: float = 0.2) -> None:
        if not 0 <= prob <= 1:
            raise UserError(f"grayscale.prob={prob} is no probability; give a number from 0 to 1")
        self.prob = prob

    def __call__(self, x_NCTHW: Tensor, generator: np.random.Generator, kind: str) -> Tensor:
        if kind != "rgb" or generator.random() >= self.prob:
            return x_NCTHW
        x_FCHW = tv.rgb_to_grayscale(fold_frames(x_NCTHW), num_output_channels=3)
        return unfold_frames(x_FCHW, len(x_NCTHW))


class _Policy:
    """One of torchvision's learned or random policies, the same for all frames of a view."""

    transform: v2.Transform

    def __call__(self, x_NCTHW: Tensor, generator: np.random.Generator, kind: str) -> Tensor:
        if kind != "rgb":
            return x_NCTHW
        # one sample of many frames: AugMix would give each sample weights of its own
        x_1FCHW = seeded(self.transform, fold_frames(x_NCTHW)[None], generator)
        return unfold_frames(x_1FCHW[0], len(x_NCTHW))


class RandAugment(_Policy):
    """A few random operations of one strength (Cubuk et al. 2020).

    Args:
        num_ops: operations in a row.
        magnitude: 0..30.
    """

    def __init__(self, num_ops: int = 2, magnitude: int = 9) -> None:
        self.transform = v2.RandAugment(num_ops, magnitude)


class TrivialAugment(_Policy):
    """One random operation of random strength (Mueller and Hutter 2021)."""

    def __init__(self) -> None:
        self.transform = v2.TrivialAugmentWide()


class AugMix(_Policy):
    """Chains of random operations, mixed with the original (Hendrycks et al. 2020).

    Args:
        severity: 1..10.
        mixture_width: number of chains.
    """

    def __init__(self, severity: int = 3, mixture_width: int = 3) -> None:
        self.transform = v2.AugMix(severity, mixture_width)


class RandomErasing:
    """Overwrites a box with noise, the same in every frame (Zhong et al. 2020).

    Args:
        prob: of erasing anything.
        min_area: smallest share of the picture.
        max_area: largest share of the picture.
    """

    def __init__(self, prob: float = 0.25, min_area: float = 0.02, max_area: float = 1 / 3) -> None:
        if not 0 <= prob <= 1 or not 0 < min_area <= max_area <= 1:
            raise UserError(
                f"random erasing: prob={prob}, min_area={min_area}, max_area={max_area} must "
                "satisfy 0 <= prob <= 1 and 0 < min_area <= max_area <= 1"
            )
        self.prob, self.min_area, self.max_area = prob, min_area, max_area

    def __call__(self, x_NCTHW: Tensor, generator: np.random.Generator, kind: str) -> Tensor:
        if kind != "rgb" or generator.random() >= self.prob:
            return x_NCTHW
        height, width = x_NCTHW.shape[-2:]
        area = height * width * generator.uniform(self.min_area, self.max_area)
        ratio = math.exp(generator.uniform(math.log(0.3), -math.log(0.3)))
        box_height = min(height, max(1, round(math.sqrt(area * ratio))))
        box_width = min(width, max(1, round(math.sqrt(area / ratio))))
        top = int(generator.integers(0, height - box_height + 1))
        left = int(generator.integers(0, width - box_width + 1))
        noise = generator.integers(0, 256, (x_NCTHW.shape[1], 1, box_height, box_width), np.uint8)
        erased = x_NCTHW.clone()
        erased[..., top : top + box_height, left : left + box_width] = x_NCTHW.new_tensor(noise)
        return erased
