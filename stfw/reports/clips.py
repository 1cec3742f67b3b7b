"""Filmstrips of videos for the report: three moments side by side, since one says little."""

from __future__ import annotations

import base64
import io

import numpy as np

from stfw.reports.html import escape

HEIGHT = 96  # pixels of a frame; shown at two thirds of that, so that it is sharp
MAX_WIDTH = 192


def strip(path: str, span: tuple[int, int] | None = None) -> str:
    """HTML of the first, middle and last frame; a grey field with the reason if that fails."""
    try:
        frames_THWC = moments(path, span)
    except Exception as error:  # a report must come even from a folder that has since been moved
        reason = str(error).removeprefix(f"{path}: ") or type(error).__name__
        return f'<div class="strip lost"><span>{escape(reason)}</span></div>'
    images = "".join(
        f'<img src="{_jpeg(frame_HWC)}" alt="{when} frame">'
        for frame_HWC, when in zip(frames_THWC, ("first", "middle", "last"), strict=True)
    )
    return f'<div class="strip">{images}</div>'


def moments(path: str, span: tuple[int, int] | None = None) -> np.ndarray:
    """First, middle and last frame: uint8 3 H W 3.

    Raises:
        VideoError: the file cannot be read.
    """
    from stfw.video.decode import decode
    from stfw.video.probe import probe

    index = probe(path, span)
    info = index.info
    frames_T = np.array([0, (info.num_frames - 1) // 2, info.num_frames - 1])
    width = min(MAX_WIDTH, max(16, round(HEIGHT * info.width / info.height)))
    height = min(HEIGHT, max(16, round(width * info.height / info.width)))
    return decode(index, frames_T, size=(height, width))


def _jpeg(frame_HWC: np.ndarray) -> str:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(frame_HWC).save(file, "JPEG", quality=82)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()
