"""Footage that makes tests equalities: the pixel (t, y, x) has the colour (t, y, x), losslessly."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from stfw.video.writer import write_video


def coordinate_frames(num_frames: int, height: int, width: int) -> np.ndarray:
    """uint8 T H W 3; red is the frame number, green the row, blue the column, modulo 256."""
    shape = (num_frames, height, width)
    return np.stack(np.indices(shape), axis=-1).astype(np.uint8)


def write_coordinate_video(
    path: Path,
    num_frames: int = 48,
    height: int = 32,
    width: int = 48,
    gop: int = 12,
    bframes: int = 2,
    fps: float = 25,
    codec: str = "libx264rgb",
) -> np.ndarray:
    """Writes the footage; the suffix (mp4, mov, mkv, avi) names the container.

    Args:
        path: the file.
        num_frames: length.
        height: rows.
        width: columns.
        gop: frames from one key frame to the next.
        bframes: B-frames between two others; 0 for none. H.264 only.
        fps: frames per second.
        codec: ``libx264rgb``, or ``ffv1`` in mkv and avi.

    Returns:
        uint8 T H W 3, what every decoder has to give back.
    """
    frames_THWC = coordinate_frames(num_frames, height, width)
    if codec == "ffv1":
        pixel_format, options = "bgr0", {"g": str(gop)}
    else:
        # no scene cuts and no choice about B-frames: the structure is the one asked for
        fixed = f"keyint={gop}:min-keyint={gop}:scenecut=0:bframes={bframes}:b-adapt=0"
        pixel_format, options = "rgb24", {"qp": "0", "x264-params": fixed}
    write_video(path, frames_THWC, fps, codec=codec, pixel_format=pixel_format, options=options)
    return frames_THWC
