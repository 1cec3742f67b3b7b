"""Clip arithmetic: which source frames a clip takes. Numbers only, no file is opened.

A clip of ``num_frames`` frames, ``frame_interval`` source frames apart, spans
``(num_frames - 1) * frame_interval + 1`` source frames::

    num_frames=3, frame_interval=2:   x.x.x   (span 5)
"""

from __future__ import annotations

import numpy as np

from stfw.types import ShortPolicy, VideoError, VideoInfo


def clip_span(num_frames: int, frame_interval: int) -> int:
    """Source frames from the first to the last frame of a clip, both counted."""
    return (num_frames - 1) * frame_interval + 1


def random_starts(last_start: int, num_clips: int, generator: np.random.Generator) -> np.ndarray:
    """Draws ``num_clips`` first frames uniformly from ``[0, last_start]``, in order of time."""
    return np.sort(generator.integers(0, last_start + 1, size=num_clips))


def regular_starts(last_start: int, num_clips: int) -> np.ndarray:
    """Spreads ``num_clips`` first frames evenly over ``[0, last_start]``, both ends included.

    A single clip stands in the centre.
    """
    if num_clips == 1:
        return np.array([last_start // 2])
    return np.rint(np.linspace(0, last_start, num_clips)).astype(np.int64)


def clip_frames(
    starts: np.ndarray,
    info: VideoInfo,
    num_frames: int,
    frame_interval: int,
    short: ShortPolicy,
) -> np.ndarray:
    """Frame numbers of clips that begin at ``starts``.

    Args:
        starts: first frames, of any shape.
        info: the video.
        num_frames: frames of a clip.
        frame_interval: source frames from one clip frame to the next.
        short: what a clip does past the end of the video. With frames 0 1 2 and a clip of five:
            ``loop`` gives 0 1 2 0 1, ``repeat_last`` gives 0 1 2 2 2.

    Returns:
        int64, the shape of ``starts`` and T.

    Raises:
        VideoError: the video is shorter than a clip and ``short`` is ``error``, or it is empty.
    """
    if info.num_frames < 1:
        raise VideoError(info.path, "short", "has no frames")
    frames = starts[..., None] + np.arange(num_frames, dtype=np.int64) * frame_interval
    needed = int(frames.max()) + 1
    if needed <= info.num_frames:
        return frames.astype(np.int64)
    if short == "error":
        raise too_short(info, needed)
    if short == "loop":
        return (frames % info.num_frames).astype(np.int64)
    return np.minimum(frames, info.num_frames - 1).astype(np.int64)


def too_short(info: VideoInfo, needed: int) -> VideoError:
    """The error of ``short=error`` where ``needed`` frames are more than there are."""
    return VideoError(
        info.path,
        "short",
        f"has {info.num_frames} frames where a clip spans {needed}; "
        "set sampler.short=loop or sampler.short=repeat_last",
    )
