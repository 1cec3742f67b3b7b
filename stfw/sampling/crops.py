"""Crop arithmetic: which pixels of the short-side-resized frame a view takes."""

from __future__ import annotations

import numpy as np


def resized_size(height: int, width: int, short_side: int | None) -> tuple[int, int]:
    """Height and width after the shorter side is brought to ``short_side``, shape kept.

    None keeps the native size.
    """
    if short_side is None:
        return height, width
    if height <= width:
        return short_side, max(short_side, round(width * short_side / height))
    return max(short_side, round(height * short_side / width)), short_side


def regular_boxes(height: int, width: int, crop_size: int, num_crops: int) -> np.ndarray:
    """Square boxes along the longer side: one in the centre, or three (both ends and the centre).

    Args:
        height: rows of the resized frame, at least ``crop_size``.
        width: columns of the resized frame, at least ``crop_size``.
        crop_size: side of the square.
        num_crops: 1 or 3.

    Returns:
        int64 num_crops x 4: top, left, height, width.
    """
    spare_y, spare_x = height - crop_size, width - crop_size
    if spare_y < 0 or spare_x < 0:
        raise ValueError(f"a crop of {crop_size} does not fit into {height}x{width}")
    shares = (0.5,) if num_crops == 1 else (0.0, 0.5, 1.0)
    boxes = []
    for share in shares:
        top = round(spare_y * (share if height > width else 0.5))
        left = round(spare_x * (share if width >= height else 0.5))
        boxes.append((top, left, crop_size, crop_size))
    return np.array(boxes, np.int64)
