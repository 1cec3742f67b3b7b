"""One video as streams see it: its record, its index, and its frames, each decoded once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from stfw.types import Record
from stfw.video.scan import VideoIndex

Decode = Callable[[VideoIndex, np.ndarray, "tuple[int, int] | None"], np.ndarray]


@dataclass
class Footage:
    """What streams draw on.

    All streams and views say first which frames they will need; the first that asks for pictures
    has all of them decoded, in one pass.

    Attributes:
        record: the labelled video.
        index: of its file.
        decode: the decoder.
        size: (height, width) of the pictures; None: the video's own.
    """

    record: Record
    index: VideoIndex
    decode: Decode
    size: tuple[int, int] | None = None
    _needed: list[np.ndarray] = field(default_factory=list)
    _where: np.ndarray | None = None
    _frames_UHWC: np.ndarray | None = None

    @property
    def picture_size(self) -> tuple[int, int]:
        """Height and width of its pictures."""
        return self.size or (self.index.info.height, self.index.info.width)

    def need(self, frames: np.ndarray) -> None:
        """Announces frames, by number, before the first call of ``pictures``."""
        self._needed.append(np.unique(frames))

    def pictures(self, frames_U: np.ndarray) -> np.ndarray:
        """Announced frames: uint8 U H W 3.

        Raises:
            VideoError: a frame is not there or does not decode.
        """
        if self._frames_UHWC is None:
            self._where = np.unique(np.concatenate(self._needed))
            self._frames_UHWC = self.decode(self.index, self._where, self.size)
        assert self._where is not None
        if np.array_equal(frames_U, self._where):  # all of them: nothing to pick, nothing to copy
            return self._frames_UHWC
        return self._frames_UHWC[np.searchsorted(self._where, frames_U)]

    def second(self, frame: int) -> float:
        """Seconds from the first frame of the file to the beginning of a frame."""
        times_F, info = self.index.info.times_F, self.index.info
        if times_F is not None and frame < len(times_F):
            return float(times_F[frame])
        return frame / info.fps


def following(frames_U: np.ndarray, num_frames: int) -> tuple[np.ndarray, np.ndarray]:
    """The pair of frames between which motion at ``t`` is seen: t and t + 1.

    At the last frame it is t - 1 and t, as there is no later one.
    """
    first_U = np.maximum(np.minimum(frames_U, num_frames - 2), 0)
    return first_U, np.minimum(first_U + 1, num_frames - 1)
