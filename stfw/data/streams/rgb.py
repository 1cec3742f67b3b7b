"""The RGB stream: the frames themselves."""

from __future__ import annotations

import numpy as np

from stfw.data.footage import Footage
from stfw.types import StreamKind


class RGB:
    """Colour frames, 3 channels."""

    kind: StreamKind = "rgb"
    channels = 3

    def needs(self, frames_U: np.ndarray, num_frames: int) -> np.ndarray:
        """The frames that must be decoded to show ``frames_U``."""
        return frames_U

    def read(self, frames_U: np.ndarray, footage: Footage) -> np.ndarray:
        """uint8 U H W 3."""
        return footage.pictures(frames_U)
