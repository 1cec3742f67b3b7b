"""Crop arithmetic: which pixels of the short-side-resized frame a view takes."""

from __future__ import annotations

import numpy as np

from stfw.types import UserError, VideoInfo, View

_SHARES = {  # of the spare rows and columns: along the longer side; of both sides
    1: ((0.5, 0.5),),
    3: ((0.0, 0.0), (0.5, 0.5), (1.0, 1.0)),
    10: ((0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0), (0.5, 0.5)),
}


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
    """Square boxes of a test protocol.

    One in the centre; three along the longer side (both ends and the centre); or, for ten crops,
    five (the corners row by row, then the centre): the other five are their mirror images
    (Krizhevsky et al. 2012).

    Args:
        height: rows of the resized frame, at least ``crop_size``.
        width: columns of the resized frame, at least ``crop_size``.
        crop_size: side of the square.
        num_crops: 1, 3 or 10.

    Returns:
        int64 M x 4: top, left, height, width; M is 1, 3 or 5.
    """
    spare_y, spare_x = height - crop_size, width - crop_size
    if spare_y < 0 or spare_x < 0:
        raise ValueError(f"a crop of {crop_size} does not fit into {height}x{width}")
    boxes = []
    for share_y, share_x in _SHARES[num_crops]:
        if num_crops == 3:  # the shorter side keeps its middle
            share_y, share_x = (share_y, 0.5) if height > width else (0.5, share_x)
        boxes.append((round(spare_y * share_y), round(spare_x * share_x), crop_size, crop_size))
    return np.array(boxes, np.int64)


class Crops:
    """The crops of a test protocol as views.

    Args:
        short_side: the frame is resized to this shorter side before it is cut; None is native.
        crop_size: side of the square.
        num_crops: 1, 3 or 10.

    Raises:
        UserError: the square is larger than the shorter side.
    """

    def __init__(self, short_side: int | None, crop_size: int, num_crops: int) -> None:
        if short_side is not None and short_side < crop_size:
            raise UserError(
                f"clip.crop_size={crop_size} does not fit into clip.short_side={short_side}; "
                "make the crop smaller or the short side larger"
            )
        self.short_side, self.crop_size, self.num_crops = short_side, crop_size, num_crops

    def views(self, frames_VNT: np.ndarray, info: VideoInfo) -> list[View]:
        """Every moment with every crop, moment by moment; of ten crops the last five mirrored.

        Args:
            frames_VNT: frame numbers of V moments of N clips.
            info: the video.

        Raises:
            UserError: frames of native size are smaller than the crop.
        """
        height, width = resized_size(info.height, info.width, self.short_side)
        if min(height, width) < self.crop_size:
            raise UserError(
                f"{info.path}: frames of {height}x{width} are smaller than "
                f"clip.crop_size={self.crop_size}; set clip.short_side={self.crop_size}"
            )
        boxes_M4 = regular_boxes(height, width, self.crop_size, self.num_crops)
        num_clips = frames_VNT.shape[1]
        return [
            View(
                frames_NT,
                np.repeat(box_4[None], num_clips, axis=0),
                np.ones(num_clips, np.float32),
                flip=flip,
            )
            for frames_NT in frames_VNT
            for flip in ((False, True) if self.num_crops == 10 else (False,))
            for box_4 in boxes_M4
        ]
