"""The frame-difference stream: motion for almost nothing."""

from __future__ import annotations

import numpy as np

from stfw.data.footage import Footage, following
from stfw.types import StreamKind


class Difference:
    """What changes from each source frame to the next, per colour, 3 channels.

    ``(x[t+1] - x[t] + 255) // 2`` in 0..255: 127 is no change. At the video's last frame it is the
    change that led to it.
    """

    kind: StreamKind = "difference"
    channels = 3

    def needs(self, frames_U: np.ndarray, num_frames: int) -> np.ndarray:
        """The frames that must be decoded to show ``frames_U``."""
        return np.concatenate(following(frames_U, num_frames))

    def read(self, frames_U: np.ndarray, footage: Footage) -> np.ndarray:
        """uint8 U H W 3."""
        first_U, second_U = following(frames_U, footage.index.info.num_frames)
        before, after = footage.pictures(first_U), footage.pictures(second_U)
        return ((after.astype(np.int16) - before + 255) // 2).astype(np.uint8)
