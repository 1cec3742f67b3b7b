"""Sliding windows over untrimmed video."""

from __future__ import annotations

import numpy as np

from stfw.sampling.clips import random_starts, regular_starts
from stfw.sampling.clips_and_crops import ClipsAndCrops
from stfw.sampling.grids import grid_starts
from stfw.sampling.timeline import ClipShape, Timeline, check_positive, nearest_frames
from stfw.types import ShortPolicy, UserError


class Sliding(ClipsAndCrops):
    """A random window to train on; without a generator every window, each a view of its own.

    The last window always ends with the video. How many there are depends on the video's length.

    Args:
        num_frames: T, frames of a window.
        frame_interval: frames from one to the next.
        step_frames: frames from one window to the next; None, without ``step_sec``: they follow
            each other without gap or overlap.
        step_sec: seconds from one window to the next, by time stamps; instead of ``step_frames``.
        max_windows: at most so many, evenly spread; None: all.
        short_side: see ``ClipSampler``, as for all that follow.
        crop_size: side of the square crop.
        views: the test protocol, ``1x<crops>``: the moments are the windows.
        short: policy for videos shorter than a window.
        fps: frames per second at which the video is seen.
    """

    def __init__(
        self,
        num_frames: int,
        frame_interval: int = 1,
        step_frames: int | None = None,
        step_sec: float | None = None,
        max_windows: int | None = None,
        short_side: int | None = None,
        crop_size: int = 112,
        views: str = "1x1",
        short: ShortPolicy = "loop",
        fps: float | None = None,
    ) -> None:
        clip = ClipShape(num_frames, frame_interval, short, fps)
        check_positive(
            {
                "sampler.step_frames": step_frames,
                "sampler.step_sec": step_sec,
                "sampler.max_windows": max_windows,
            }
        )
        if step_frames is not None and step_sec is not None:
            raise UserError(
                f"sampler.step_frames={step_frames} and sampler.step_sec={step_sec} are two steps; "
                "set one of them to null"
            )
        super().__init__(clip, short_side, crop_size, views)
        if self.protocol.num_clips != 1:
            raise UserError(
                f"views={views}: sampler=sliding takes every window as a moment; "
                f"write views=1x{self.protocol.num_crops} and limit sampler.max_windows"
            )
        self.step_frames = step_frames or num_frames * frame_interval
        self.step_sec, self.max_windows = step_sec, max_windows

    def choose(self, timeline: Timeline, generator: np.random.Generator | None) -> np.ndarray:
        if generator is not None:
            return timeline.clips(random_starts(timeline.last_start, 1, generator)[:, None])
        starts_V = self._starts(timeline)
        if self.max_windows is not None and self.max_windows < len(starts_V):
            starts_V = starts_V[regular_starts(len(starts_V) - 1, self.max_windows)]
        return timeline.clips(starts_V[:, None])

    def _starts(self, timeline: Timeline) -> np.ndarray:
        if self.step_sec is None:
            return grid_starts(timeline.last_start, self.step_frames)
        seconds_J = timeline.seconds()
        end_sec = seconds_J[timeline.last_start] + self.step_sec  # so that the last one is met
        moments_V = np.arange(0.0, end_sec, self.step_sec)
        return np.unique(np.minimum(nearest_frames(seconds_J, moments_V), timeline.last_start))
