"""Footage that makes tests equalities: the pixel (t, y, x) has the colour (t, y, x), losslessly."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from stfw.video.writer import write_video


def coordinate_frames(num_frames: int = 60, height: int = 48, width: int = 64) -> np.ndarray:
    """uint8 T H W 3; red is the frame number, green the row, blue the column, modulo 256."""
    shape = (num_frames, height, width)
    return np.stack(np.indices(shape), axis=-1).astype(np.uint8)


def write_coordinate_video(
    path: Path,
    num_frames: int = 60,
    height: int = 48,
    width: int = 64,
    gop: int = 12,
    num_b_frames: int = 0,
    fps: float = 25,
    codec: str = "libx264rgb",
) -> Path:
    """Writes the footage; the suffix (mp4, mov, mkv, avi) names the container.

    Args:
        path: the file.
        num_frames: length.
        height: rows.
        width: columns.
        gop: frames from one key frame to the next.
        num_b_frames: B-frames between two others; 0 for none. Not of ffv1.
        fps: frames per second.
        codec: ``libx264rgb``; ``libx265`` (open groups of pictures: frames shown before a key
            frame lean on the group before); ``ffv1`` in mkv and avi.

    Returns:
        ``path``; its frames are ``coordinate_frames(num_frames, height, width)``.
    """
    frames_THWC = coordinate_frames(num_frames, height, width)
    # no scene cuts and no choice about B-frames: the structure is the one asked for
    fixed = f"keyint={gop}:min-keyint={gop}:scenecut=0:bframes={num_b_frames}:b-adapt=0"
    if codec == "ffv1":
        pixel_format, options = "bgr0", {"g": str(gop)}
    elif codec == "libx265":
        quiet = "pools=none:frame-threads=1:log-level=none"
        pixel_format, options = "gbrp", {"x265-params": f"lossless=1:open-gop=1:{fixed}:{quiet}"}
    else:
        # qp 0 forbids B-frames; with qp 1 such smooth footage is still lossless
        pixel_format, options = "rgb24", {"qp": "1" if num_b_frames else "0", "x264-params": fixed}
    write_video(path, frames_THWC, fps, codec=codec, pixel_format=pixel_format, options=options)
    return path
