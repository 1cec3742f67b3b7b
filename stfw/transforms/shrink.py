"""Smaller clips, as the last step of a pipeline."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from stfw.transforms.clip import resize


class Shrink:
    """Resizes clips, whatever has been cut, by one factor.

    Args:
        factor: of height and width, above 0, at most 1.
    """

    def __init__(self, factor: float) -> None:
        self.factor = factor

    def __call__(self, x_NCTHW: Tensor, generator: np.random.Generator, kind: str) -> Tensor:
        height, width = (max(1, round(side * self.factor)) for side in x_NCTHW.shape[-2:])
        return resize(x_NCTHW, height, width)
