"""Dense sampling: frames spread evenly over a window, not over the whole video."""

from __future__ import annotations

import numpy as np

from stfw.sampling.clips import random_starts, regular_starts
from stfw.sampling.clips_and_crops import ClipsAndCrops
from stfw.sampling.segments import check_one_clip
from stfw.sampling.timeline import ClipShape, Timeline, check_positive
from stfw.types import ShortPolicy, UserError


class DenseSegments(ClipsAndCrops):
    """K frames, or K clips, ``window // K`` frames apart (TSM, Lin et al. 2019, after I3D).

    The window begins at random; without a generator at ``views.num_clips`` regular moments, from
    the first to the last at which it fits. TSM tests with ten: ``views=10x1``.

    Args:
        num_frames: frames of a clip: K with ``as_one_clip``, T otherwise.
        frame_interval: frames from one clip frame to the next; plays no part with ``as_one_clip``.
        num_clips: K clips; 1 with ``as_one_clip``.
        window: frames that K segments are laid into; 64 in TSM.
        as_one_clip: one clip of K frames (N = 1, T = K) instead of K clips (N = K).
        short_side: see ``ClipSampler``, as for all that follow.
        crop_size: side of the square crop.
        views: the test protocol.
        short: policy where frames lie past the end of the video.
        fps: frames per second at which the video is seen.
    """

    def __init__(
        self,
        num_frames: int = 8,
        frame_interval: int = 1,
        num_clips: int = 1,
        window: int = 64,
        as_one_clip: bool = True,
        short_side: int | None = None,
        crop_size: int = 224,
        views: str = "1x1",
        short: ShortPolicy = "loop",
        fps: float | None = None,
    ) -> None:
        check_positive({"clip.num_frames": num_frames, "clip.num_clips": num_clips})
        num_segments = num_frames if as_one_clip else num_clips
        step = window // num_segments
        if as_one_clip:
            check_one_clip(num_clips)
            # a window too small is refused below, in words that name it
            clip = ClipShape(num_frames, max(1, step), short, fps)
        else:
            clip = ClipShape(num_frames, frame_interval, short, fps)
        super().__init__(clip, short_side, crop_size, views)
        self.window = window
        self.offsets_N = np.arange(num_clips) * step
        needed = num_segments if step < 1 else int(self.offsets_N[-1]) + clip.span
        if needed > window:
            raise UserError(
                f"sampler.window={window} is too small for {num_segments} segments: they need "
                f"{needed} frames; make the window larger or take fewer frames"
            )

    def choose(self, timeline: Timeline, generator: np.random.Generator | None) -> np.ndarray:
        last_start = max(0, len(timeline) - self.window)
        if generator is not None:
            starts_V = random_starts(last_start, 1, generator)
        else:
            starts_V = regular_starts(last_start, self.protocol.num_clips)
        return timeline.clips(starts_V[:, None] + self.offsets_N)
