"""The clip sampler: random clips to train on, regular views to evaluate on."""

from __future__ import annotations

import numpy as np

from stfw.sampling.clips import random_starts, regular_starts
from stfw.sampling.clips_and_crops import ClipsAndCrops
from stfw.sampling.timeline import ClipShape, Timeline, check_positive
from stfw.types import ShortPolicy


class ClipSampler(ClipsAndCrops):
    """Chooses clips of consecutive frames (``frame_interval`` apart).

    With a generator it draws one random view and leaves the crop to the transform. Without one it
    gives the regular views of the protocol: ``views.num_clips`` moments spread evenly over the
    video, each with ``views.num_crops`` boxes, clip by clip.

    Args:
        num_frames: T, frames of a clip.
        frame_interval: source frames (with ``fps``: frames at that rate) from one clip frame to
            the next.
        num_clips: N, clips that the model takes together in one view.
        short_side: the frame is resized to this shorter side before it is cut; None is native.
        crop_size: side of the square crop.
        views: the test protocol, ``<clips>x<crops>``.
        short: policy for videos shorter than a clip: ``loop``, ``repeat_last`` or ``error``.
        fps: frames per second at which the video is seen; None: as it is.
    """

    def __init__(
        self,
        num_frames: int,
        frame_interval: int = 1,
        num_clips: int = 1,
        short_side: int | None = None,
        crop_size: int = 112,
        views: str = "1x1",
        short: ShortPolicy = "loop",
        fps: float | None = None,
    ) -> None:
        clip = ClipShape(num_frames, frame_interval, short, fps)
        check_positive({"clip.num_clips": num_clips})
        super().__init__(clip, short_side, crop_size, views)
        self.num_clips = num_clips

    def choose(self, timeline: Timeline, generator: np.random.Generator | None) -> np.ndarray:
        if generator is not None:
            starts_N = random_starts(timeline.last_start, self.num_clips, generator)
            return timeline.clips(starts_N[None])
        # interleaved, so that each view spans the whole video
        num_views = self.protocol.num_clips
        starts = regular_starts(timeline.last_start, num_views * self.num_clips)
        return timeline.clips(starts.reshape(self.num_clips, num_views).T)
