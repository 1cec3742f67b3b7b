"""The clip sampler: random clips to train on, regular views to evaluate on."""

from __future__ import annotations

import numpy as np

from stfw.sampling.clips import clip_frames, clip_span, random_starts, regular_starts
from stfw.sampling.crops import regular_boxes, resized_size
from stfw.types import ShortPolicy, UserError, VideoInfo, View, Views


class ClipSampler:
    """Chooses clips of consecutive frames (``frame_interval`` apart).

    With a generator it draws one random view and leaves the crop to the transform. Without one it
    gives the regular views of the protocol: ``views.num_clips`` moments spread evenly over the
    video, each with ``views.num_crops`` boxes, clip by clip.

    Args:
        num_frames: T, frames of a clip.
        frame_interval: source frames from one clip frame to the next.
        num_clips: N, clips that the model takes together in one view.
        short_side: the frame is resized to this shorter side before it is cut; None is native.
        crop_size: side of the square crop.
        views: the test protocol, ``<clips>x<crops>``.
        short: policy for videos shorter than a clip: ``loop``, ``repeat_last`` or ``error``.
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
    ) -> None:
        for name, value in (("num_frames", num_frames), ("frame_interval", frame_interval)):
            if value < 1:
                raise UserError(f"clip.{name}={value} is below 1; give a positive number")
        if num_clips < 1:
            raise UserError(f"clip.num_clips={num_clips} is below 1; give a positive number")
        if short_side is not None and short_side < crop_size:
            raise UserError(
                f"clip.crop_size={crop_size} does not fit into clip.short_side={short_side}; "
                "make the crop smaller or the short side larger"
            )
        self.num_frames, self.frame_interval, self.num_clips = num_frames, frame_interval, num_clips
        self.short_side, self.crop_size, self.short = short_side, crop_size, short
        self.views = Views.parse(views)

    def __call__(self, info: VideoInfo, generator: np.random.Generator | None) -> list[View]:
        last_start = max(0, info.num_frames - clip_span(self.num_frames, self.frame_interval))
        if generator is not None:
            starts_N = random_starts(last_start, self.num_clips, generator)
            return [View(self._frames(starts_N, info), None, np.ones(self.num_clips, np.float32))]

        height, width = resized_size(info.height, info.width, self.short_side)
        if min(height, width) < self.crop_size:
            raise UserError(
                f"{info.path}: frames of {height}x{width} are smaller than "
                f"clip.crop_size={self.crop_size}; set clip.short_side={self.crop_size}"
            )
        boxes_M4 = regular_boxes(height, width, self.crop_size, self.views.num_crops)
        # interleaved, so that each view spans the whole video
        starts = regular_starts(last_start, self.views.num_clips * self.num_clips)
        starts_VN = starts.reshape(self.num_clips, self.views.num_clips).T
        return [
            View(
                self._frames(starts_N, info),
                np.repeat(box_4[None], self.num_clips, axis=0),
                np.ones(self.num_clips, np.float32),
            )
            for starts_N in starts_VN
            for box_4 in boxes_M4
        ]

    def _frames(self, starts_N: np.ndarray, info: VideoInfo) -> np.ndarray:
        return clip_frames(starts_N, info, self.num_frames, self.frame_interval, self.short)
