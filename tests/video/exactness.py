"""The definition of exact, and frame numbers to try it on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import VideoReformatter


def from_the_start(path: Path) -> np.ndarray:
    """The definition: everything, in the order of the decoder, at the first frame's size."""
    reformatter, frames = VideoReformatter(), []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            if not frames:
                size, turns = (frame.width, frame.height), round(frame.rotation / 90) % 4
            picture = reformatter.reformat(
                frame, *size, "rgb24", interpolation="BILINEAR", threads=1
            )
            frames.append(np.rot90(picture.to_ndarray(), turns))
    return np.stack(frames)


def some_frames(num_frames: int, keys_G: np.ndarray) -> Iterator[np.ndarray]:
    """A clip, segments, single frames in disorder, both sides of key frames, all."""
    generator = np.random.default_rng(0)
    for start in generator.integers(0, max(1, num_frames - 32), 3):
        yield np.minimum(start + 2 * np.arange(16), num_frames - 1)
    yield np.linspace(0, num_frames - 1, 8).astype(int)
    yield generator.integers(0, num_frames, 6)
    yield np.array([num_frames - 1])
    for key in keys_G[1:8]:
        yield np.array([key])
        yield np.array([key - 1, min(key + 3, num_frames - 1)])
    yield np.arange(num_frames)
