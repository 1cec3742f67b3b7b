"""Videos that are folders of numbered pictures (raw frames)."""

from __future__ import annotations

import itertools
import os
import re

import numpy as np

from stfw.types import VideoError, VideoInfo
from stfw.video.container import MAX_PIXELS
from stfw.video.scan import VideoIndex

RATE = 30.0  # frames per second; pictures do not know theirs
_NUMBER = re.compile(r"%0(\d+)d")


def is_pattern(path: str) -> bool:
    """Whether a path names pictures by number, ``img_%05d.jpg``."""
    return _NUMBER.search(os.path.basename(path)) is not None


def scan_images(pattern: str, fps: float = RATE) -> VideoIndex:
    """The index of a folder of pictures: ``pts_F`` are the numbers in their names.

    Numbers may begin anywhere; frames are counted from 0 all the same.

    Args:
        pattern: ``/data/clip/img_%05d.jpg``.
        fps: frames per second.

    Raises:
        VideoError: no such folder, no picture, a gap in the numbers, or one that is no picture.
    """
    folder, name = os.path.split(pattern)
    before, digits, after = _NUMBER.split(name, maxsplit=1)
    try:
        names = os.listdir(folder)
    except OSError as error:
        raise VideoError(pattern, "missing", "there is no such folder") from error
    number = f"\\d{{{digits}}}|[1-9]\\d{{{digits},}}"  # as %0Nd writes it
    known = re.compile(f"{re.escape(before)}({number}){re.escape(after)}")
    numbers = sorted(int(match[1]) for match in map(known.fullmatch, names) if match)
    if not numbers:
        raise VideoError(pattern, "no_video", "the folder holds no picture of this name")
    if numbers[-1] - numbers[0] != len(numbers) - 1:
        missing = next(a + 1 for a, b in itertools.pairwise(numbers) if b != a + 1)
        raise VideoError(pattern, "decode", f"picture {missing} is missing")
    first = _read(_file(pattern, numbers[0]), pattern)
    info = VideoInfo(pattern, len(numbers), fps, first.shape[0], first.shape[1])
    nothing = np.empty(0, np.int64)
    return VideoIndex(
        info, "images", 0, 1 / fps, np.array(numbers, np.int64), nothing, nothing, nothing
    )


def decode_images(
    index: VideoIndex, frames_U: np.ndarray, size: tuple[int, int] | None
) -> np.ndarray:
    """Pictures by frame number: uint8 U H W 3, RGB.

    Raises:
        VideoError: one cannot be read.
    """
    height, width = size or (index.info.height, index.info.width)
    out_UHWC = np.empty((len(frames_U), height, width, 3), np.uint8)
    for place, number in enumerate(index.pts_F[frames_U].tolist()):
        out_UHWC[place] = _read(_file(index.info.path, number), index.info.path, (height, width))
    return out_UHWC


def _file(pattern: str, number: int) -> str:
    """The picture of a number; elsewhere in the path ``%`` means itself."""
    folder, name = os.path.split(pattern)
    name = _NUMBER.sub(lambda width: f"{number:0{int(width[1])}d}", name, count=1)
    return os.path.join(folder, name)


def _read(file: str, pattern: str, size: tuple[int, int] | None = None) -> np.ndarray:
    from PIL import Image  # only picture folders need it

    try:
        with Image.open(file) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                reason = f"{picture.width}x{picture.height} pixels exceed the cap of {MAX_PIXELS}"
                raise VideoError(pattern, "too_large", reason)
            shown = picture.convert("RGB")
            if size is not None and (shown.height, shown.width) != size:
                shown = shown.resize((size[1], size[0]), Image.Resampling.BILINEAR)
            return np.asarray(shown)
    except (OSError, ValueError, SyntaxError) as error:  # what Pillow raises for broken files
        name = os.path.basename(file)
        raise VideoError(pattern, "decode", f"{name} cannot be read: {error}") from error
