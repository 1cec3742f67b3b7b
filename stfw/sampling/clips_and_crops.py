"""What the samplers of clips have in common: moments are theirs, crops are the protocol's."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from stfw.sampling.crops import Crops
from stfw.sampling.timeline import ClipShape, Timeline
from stfw.types import VideoInfo, View, Views


class ClipsAndCrops(ABC):
    """A sampler that chooses frames; a child says which.

    With a generator the crop is left to the transform. Without one every moment is seen through
    every box of the protocol, moment by moment.

    Args:
        clip: what a clip is.
        short_side: the frame is resized to this shorter side before it is cut; None is native.
        crop_size: side of the square crop.
        views: the test protocol, ``<clips>x<crops>``.
    """

    def __init__(self, clip: ClipShape, short_side: int | None, crop_size: int, views: str) -> None:
        self.clip, self.protocol = clip, Views.parse(views)
        self.crops = Crops(short_side, crop_size, self.protocol.num_crops)

    def __call__(self, info: VideoInfo, generator: np.random.Generator | None) -> list[View]:
        frames_VNT = self.choose(self.clip.timeline(info, generator), generator)
        return self.cut(frames_VNT, info, generator)

    @abstractmethod
    def choose(self, timeline: Timeline, generator: np.random.Generator | None) -> np.ndarray:
        """Source frames of V moments of N clips: int64 V N T."""

    def cut(
        self, frames_VNT: np.ndarray, info: VideoInfo, generator: np.random.Generator | None
    ) -> list[View]:
        """The pixels of these frames that views take."""
        if generator is None:
            return self.crops.views(frames_VNT, info)
        return [
            View(frames_NT, None, np.ones(len(frames_NT), np.float32)) for frames_NT in frames_VNT
        ]
