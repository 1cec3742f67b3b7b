"""TSN's segments: one short clip from each of K equal parts of the video."""

from __future__ import annotations

import numpy as np

from stfw.sampling.clips import too_short
from stfw.sampling.clips_and_crops import ClipsAndCrops
from stfw.sampling.grids import segment_starts
from stfw.sampling.timeline import ClipShape, Timeline, check_positive
from stfw.types import ShortPolicy, UserError


class Segments(ClipsAndCrops):
    """One clip from each of K equal segments of the video (TSN, Wang et al. 2016).

    A clip begins at a random frame of its segment; without a generator, in the middle of it.
    Several views in evaluation shift all clips alike by equal shares of a segment: ``views=2x1`` is
    the twice-sampling of TSN, the middles and then the beginnings of the segments. The segments
    divide the frames at which a whole clip can begin; where these are fewer than K, clips repeat.

    Args:
        num_frames: T, frames of a clip; 1 in TSN on RGB, 5 on flow.
        frame_interval: frames from one clip frame to the next.
        num_clips: K, the segments; each gives a clip, N = K.
        as_one_clip: gives one clip of one frame per segment instead, for networks that look at
            the frames together (TSM, Lin et al. 2019): K = T = ``num_frames``, N = 1, and
            ``frame_interval`` plays no part.
        short_side: see ``ClipSampler``, as for all that follow.
        crop_size: side of the square crop.
        views: the test protocol.
        short: policy for videos shorter than a clip. One clip of more frames than the video has
            repeats frames in their order, or is refused by ``error``.
        fps: frames per second at which the video is seen.
    """

    def __init__(
        self,
        num_frames: int = 1,
        frame_interval: int = 1,
        num_clips: int = 8,
        as_one_clip: bool = False,
        short_side: int | None = None,
        crop_size: int = 224,
        views: str = "1x1",
        short: ShortPolicy = "loop",
        fps: float | None = None,
    ) -> None:
        check_positive({"clip.num_frames": num_frames, "clip.num_clips": num_clips})
        if as_one_clip:
            check_one_clip(num_clips)
            clip = ClipShape(1, 1, short, fps)
        else:
            clip = ClipShape(num_frames, frame_interval, short, fps)
        super().__init__(clip, short_side, crop_size, views)
        self.num_segments = num_frames if as_one_clip else num_clips
        self.as_one_clip = as_one_clip

    def choose(self, timeline: Timeline, generator: np.random.Generator | None) -> np.ndarray:
        num_views, num_segments = self.protocol.num_clips, self.num_segments
        if self.as_one_clip and self.clip.short == "error" and len(timeline) < num_segments:
            raise too_short(timeline.info, num_segments)
        if generator is None:
            shares = ((0.5 + np.arange(num_views) / num_views) % 1)[:, None]
        else:
            shares = generator.random((1, num_segments))
        starts_VK = segment_starts(timeline.last_start + 1, num_segments, shares)
        frames_VKT = timeline.clips(starts_VK)
        return frames_VKT.swapaxes(1, 2) if self.as_one_clip else frames_VKT


def check_one_clip(num_clips: int) -> None:
    """Refuses several clips where all frames make one.

    Raises:
        UserError: ``num_clips`` is not 1.
    """
    if num_clips != 1:
        raise UserError(
            f"clip.num_clips={num_clips} with sampler.as_one_clip=true: all frames make one clip; "
            "set clip.num_clips=1, clip.num_frames is the number of frames"
        )
