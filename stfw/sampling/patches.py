"""Spacetime patches: boxes of height x width pixels over a few frames, all over the video."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from stfw.sampling.clips import regular_starts
from stfw.sampling.crops import resized_size
from stfw.sampling.grids import Axis, places, thinned
from stfw.sampling.timeline import ClipShape, check_positive
from stfw.types import ShortPolicy, UserError, VideoInfo, View, Views

Mode = Literal["grid", "random", "cell"]
LEAST_WEIGHT = 1e-6  # a weight of 0 would mean padding


class Patches:
    """A video as N boxes of T frames x height x width, which one view holds.

    ``grid``: every box, beginning at multiples of the steps, ``t_i = (i - 1) * step_frames``. The
    last one of each axis is moved to end where the video or the frame ends, so nothing is dropped:
    1000 frames, T = 20, step 20 are 50 boxes in time, 1010 frames are 51, the last from frame 990.

    ``random``: ``num_patches`` boxes anywhere; without a generator the same number at regular
    moments from the first to the last, which take the boxes of the spatial grid in turn.

    ``cell``: the video is divided into cells of at least the steps, equal along each axis; one box
    at random in each, without a generator in its middle.

    Boxes are in the order of time, then rows, then columns. They do all the cutting: the transform
    may flip, but must not crop to another size.

    Args:
        num_frames: T, frames of a patch.
        frame_interval: frames from one to the next.
        height: rows of a patch; None, like ``width``: one box per moment, the largest square in the
            middle of the frame.
        width: columns of a patch.
        step_frames: frames from one patch to the next; None: as many as a patch takes.
        step_pixels: rows and columns from one patch to the next; None: as many as a patch has.
        mode: ``grid``, ``random`` or ``cell``.
        num_patches: N of ``random``; of ``grid`` and ``cell`` the largest N, to which patches are
            thinned out evenly in time and, in turn, in space. None: all.
        sigma: weights patches by a Gaussian of the distance from their centre to the frame's, in
            half frame heights and widths; the nearest ones weigh 1. None: all weigh 1.
        short_side: the frame is resized to this shorter side before it is cut; None is native.
        views: the test protocol, ``1x1`` alone: the patches already cover the video.
        short: policy for videos shorter than a patch.
        fps: frames per second at which the video is seen; None: as it is.
    """

    def __init__(
        self,
        num_frames: int = 20,
        frame_interval: int = 1,
        height: int | None = 112,
        width: int | None = 112,
        step_frames: int | None = None,
        step_pixels: int | None = None,
        mode: Mode = "grid",
        num_patches: int | None = None,
        sigma: float | None = None,
        short_side: int | None = None,
        views: str = "1x1",
        short: ShortPolicy = "loop",
        fps: float | None = None,
    ) -> None:
        self.clip = ClipShape(num_frames, frame_interval, short, fps)
        check_positive(
            {
                "sampler.height": height,
                "sampler.width": width,
                "sampler.step_frames": step_frames,
                "sampler.step_pixels": step_pixels,
                "sampler.num_patches": num_patches,
                "sampler.sigma": sigma,
            }
        )
        if (height is None) != (width is None):
            raise UserError(
                f"sampler.height={height} and sampler.width={width}: give both, or null for both"
            )
        if mode == "random" and num_patches is None:
            raise UserError("sampler.mode=random needs a number: set sampler.num_patches=16")
        if len(Views.parse(views)) != 1:
            raise UserError(
                f"views={views}: patches cover the video in one view; write views=1x1 and choose "
                "how many with sampler.step_frames, step_pixels and num_patches"
            )
        self.height, self.width, self.step_pixels = height, width, step_pixels
        self.step_frames = step_frames or num_frames * frame_interval
        self.mode, self.num_patches, self.sigma = mode, num_patches, sigma
        self.short_side = short_side

    def __call__(self, info: VideoInfo, generator: np.random.Generator | None) -> list[View]:
        timeline = self.clip.timeline(info, generator)
        frame = resized_size(info.height, info.width, self.short_side)
        box = (self.height or min(frame), self.width or min(frame))
        if box[0] > frame[0] or box[1] > frame[1]:
            raise UserError(
                f"{info.path}: a patch of {box[0]}x{box[1]} does not fit into frames of "
                f"{frame[0]}x{frame[1]}; make it smaller or set a larger clip.short_side"
            )
        steps = [None, None] if self.height is None else [self.step_pixels or side for side in box]
        axes = [
            Axis(len(timeline), self.clip.span, self.step_frames),
            *(Axis(*axis) for axis in zip(frame, box, steps, strict=True)),
        ]
        starts_N3 = (self._random if self.mode == "random" else self._regular)(axes, generator)
        boxes_N4 = np.concatenate([starts_N3[:, 1:], np.tile(box, (len(starts_N3), 1))], axis=1)
        return [View(timeline.clips(starts_N3[:, 0]), boxes_N4, self._weights(boxes_N4, frame))]

    def _regular(self, axes: list[Axis], generator: np.random.Generator | None) -> np.ndarray:
        """Begins (t, y, x) of a patch at each place of the grid or in each cell: int64 N 3."""
        if self.mode == "cell":
            low, high = zip(*(axis.cells() for axis in axes), strict=True)
        else:
            low = high = tuple(axis.grid() for axis in axes)
        low_N3, high_N3 = _product(low), _product(high)
        if self.num_patches is not None:
            num_times = len(low[0])
            kept = thinned(num_times, len(low_N3) // num_times, self.num_patches)
            low_N3, high_N3 = low_N3[kept], high_N3[kept]
        return places(low_N3, high_N3, generator)

    def _random(self, axes: list[Axis], generator: np.random.Generator | None) -> np.ndarray:
        """Begins (t, y, x) of ``num_patches`` patches, by time: int64 N 3."""
        num_patches = self.num_patches
        assert num_patches is not None
        if generator is not None:
            low_3, high_3 = np.transpose([axis.anywhere() for axis in axes])
            starts_N3 = generator.integers(low_3, high_3 + 1, size=(num_patches, 3))
            return starts_N3[np.argsort(starts_N3[:, 0], kind="stable")]
        boxes_S2 = _product([axis.grid() for axis in axes[1:]])
        turn_N = (np.arange(num_patches) + len(boxes_S2) // 2) % len(boxes_S2)
        starts_N = regular_starts(axes[0].last_start, num_patches)
        return np.concatenate([starts_N[:, None], boxes_S2[turn_N]], axis=1)

    def _weights(self, boxes_N4: np.ndarray, frame: tuple[int, int]) -> np.ndarray:
        """float32 N in (0, 1], the largest 1."""
        if self.sigma is None:
            return np.ones(len(boxes_N4), np.float32)
        half_2 = np.array(frame) / 2
        offsets_N2 = (boxes_N4[:, :2] + boxes_N4[:, 2:] / 2 - half_2) / half_2
        squares_N = (offsets_N2**2).sum(axis=1)
        weights_N = np.exp((squares_N.min() - squares_N) / (2 * self.sigma**2))
        return np.maximum(weights_N, LEAST_WEIGHT).astype(np.float32)


def _product(axes: Sequence[np.ndarray]) -> np.ndarray:
    """All combinations of numbers along some axes, the last one fastest: int64 M A."""
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))
