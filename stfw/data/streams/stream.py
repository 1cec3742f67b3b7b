"""A stream of the run: where its pictures or sounds come from, and how many it takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from stfw.data.footage import Footage
from stfw.types import StreamKind


class VisualSource(Protocol):
    """Pictures by frame number."""

    kind: StreamKind
    channels: int

    def needs(self, frames_U: np.ndarray, num_frames: int) -> np.ndarray:
        """The frames that must be decoded to show ``frames_U``."""
        ...

    def read(self, frames_U: np.ndarray, footage: Footage) -> np.ndarray | None:
        """uint8 U H W C; None where the video lacks this stream."""
        ...


@dataclass(frozen=True)
class Stream:
    """One stream.

    Attributes:
        source: a ``VisualSource``, or the sound (``stfw.data.streams.audio.Audio``).
        num_frames: of the clip's T frames that this stream takes, evenly spread over the same
            seconds; None: all.
        stack: whether T is folded into C before the encoder (Simonyan and Zisserman 2014).
    """

    source: Any
    num_frames: int | None = None
    stack: bool = False

    @property
    def kind(self) -> StreamKind:
        return self.source.kind

    def take(self, frames_NT: np.ndarray) -> np.ndarray:
        """This stream's frames of each clip: the middles of equal parts."""
        num_frames = frames_NT.shape[1]
        if self.num_frames is None or self.num_frames == num_frames:
            return frames_NT
        middles = (np.arange(self.num_frames) + 0.5) * num_frames / self.num_frames
        return frames_NT[:, middles.astype(np.int64)]
