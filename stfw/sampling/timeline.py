"""The frames of a video that clips are made of: all of them, or as many a second as asked for.

A rate is met in one place. The video is seen as one of ``fps`` frames per second: frame ``j`` of
this timeline is the source frame nearest to ``j / fps`` seconds, by the time stamps where the rate
varies. Every count of frames that a sampler knows (``frame_interval``, ``window``, ...) then counts
frames of the timeline.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from stfw.sampling.clips import clip_frames, clip_span
from stfw.types import ShortPolicy, UserError, VideoError, VideoInfo

_SAME_SEC = 1e-6  # times that differ by less are the same; well below any frame


@dataclass(frozen=True)
class ClipShape:
    """What one clip is.

    Attributes:
        num_frames: T.
        frame_interval: frames from one clip frame to the next.
        short: policy for videos shorter than a clip.
        fps: frames per second at which the video is seen; None: as it is.

    Raises:
        UserError: a number that is not positive.
    """

    num_frames: int
    frame_interval: int = 1
    short: ShortPolicy = "loop"
    fps: float | None = None

    def __post_init__(self) -> None:
        check_positive(
            {
                "clip.num_frames": self.num_frames,
                "clip.frame_interval": self.frame_interval,
                "clip.fps": self.fps,
            }
        )

    @property
    def span(self) -> int:
        """Frames of the timeline from the first to the last frame of a clip, both counted."""
        return clip_span(self.num_frames, self.frame_interval)

    def timeline(self, info: VideoInfo, generator: np.random.Generator | None) -> Timeline:
        """The frames of a video that clips may take.

        Args:
            info: the video.
            generator: with ``fps``, shifts the timeline by less than one of its frames, as far as
                its length allows; None: it begins with the first frame.

        Raises:
            VideoError: the rate of the video is needed and not known.
        """
        if self.fps is None or info.num_frames < 1:
            return Timeline(self, info, np.arange(info.num_frames))
        times_F = frame_times(info)
        end_sec = times_F[-1]
        if len(times_F) > 1:  # the last frame stays on for a while
            end_sec += min(times_F[-1] - times_F[-2], times_F[-1] / (len(times_F) - 1)) / 2
        num_frames = int((end_sec + _SAME_SEC) * self.fps) + 1
        moments_J = np.arange(num_frames) / self.fps
        if generator is not None:
            moments_J += generator.random() * max(0.0, end_sec - moments_J[-1])
        return Timeline(self, info, nearest_frames(times_F, moments_J), moments_J)


@dataclass(frozen=True)
class Timeline:
    """The frames that clips may take, in order.

    Attributes:
        clip: what a clip is.
        info: the video.
        source_J: int64, source frame of each frame of the timeline.
        moments_J: float64, seconds from the first source frame that they stand for; None: of each
            the time at which it is shown.
    """

    clip: ClipShape
    info: VideoInfo
    source_J: np.ndarray
    moments_J: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.source_J)

    @property
    def last_start(self) -> int:
        """The last frame that a whole clip can begin at; 0 where the video is too short."""
        return max(0, len(self) - self.clip.span)

    def clips(self, starts: np.ndarray) -> np.ndarray:
        """Source frames of clips that begin at frames of the timeline.

        Returns:
            int64, the shape of ``starts`` and T.

        Raises:
            VideoError: no frames at all, or too few and ``short`` is ``error``.
        """
        seen = dataclasses.replace(self.info, num_frames=len(self))
        clip = self.clip
        frames = clip_frames(starts, seen, clip.num_frames, clip.frame_interval, clip.short)
        return self.source_J[frames]

    def seconds(self) -> np.ndarray:
        """Seconds from the first source frame to each frame of the timeline: float64.

        Raises:
            VideoError: neither time stamps nor a frame rate are known.
        """
        return frame_times(self.info) if self.moments_J is None else self.moments_J


def frame_times(info: VideoInfo) -> np.ndarray:
    """Seconds from the first frame to each: float64.

    Raises:
        VideoError: neither time stamps nor a frame rate are known.
    """
    if info.times_F is not None:
        return info.times_F
    if info.fps <= 0:
        raise VideoError(
            info.path, "decode", "has no frame rate; count frames instead of seconds: clip.fps=null"
        )
    return np.arange(info.num_frames) / info.fps


def nearest_frames(times_F: np.ndarray, seconds: np.ndarray) -> np.ndarray:
    """Numbers of the frames nearest to moments, the earlier of two that are equally near: int64.

    Args:
        times_F: ascending seconds of the frames.
        seconds: the moments.
    """
    middles = (times_F[1:] + times_F[:-1]) / 2
    return np.searchsorted(middles, seconds - _SAME_SEC, side="right").astype(np.int64)


def check_positive(values: Mapping[str, float | None]) -> None:
    """Refuses numbers that are not positive, by the names that a person gives them; None passes.

    Raises:
        UserError: names the first of them.
    """
    for name, value in values.items():
        if value is not None and value <= 0:
            raise UserError(f"{name}={value} is not above 0; give a positive number")
