"""Fragments: a few consecutive frames from each part of the video, and of each part of a frame."""

from __future__ import annotations

import numpy as np

from stfw.sampling.clips_and_crops import ClipsAndCrops
from stfw.sampling.crops import resized_size
from stfw.sampling.grids import part_ranges, places
from stfw.sampling.timeline import ClipShape, Timeline, check_positive
from stfw.types import ShortPolicy, UserError, VideoInfo, View


class Fragments(ClipsAndCrops):
    """K fragments of a few (usually 3 to 5) consecutive frames, one inside each K-th of the video.

    A fragment stands at random in its part; without a generator in the middle of it, or for several
    ``views.num_clips`` at regular moments from the part's beginning to its end. Where parts are
    shorter than fragments, these overlap.

    With ``grid``, frames are cut into mini-patches as well (FAST-VQA, Wu et al. 2022): one box of
    ``patch_size`` inside each of grid x grid cells of the frame, at random or in the cell's middle,
    at the same place in all frames of a fragment. The boxes side by side make the picture, of side
    ``grid * patch_size``: details stay at full resolution, and no further crop is needed. Where
    cells are smaller than boxes, these overlap.

    Args:
        num_frames: T, frames of a fragment.
        frame_interval: frames from one to the next.
        num_clips: K, the fragments; N = K.
        grid: cells along each side; None: whole frames, cropped as usual.
        patch_size: side of a mini-patch; None: ``crop_size / grid``.
        aligned: the same boxes for all fragments of a view.
        short_side: see ``ClipSampler``, as for all that follow.
        crop_size: side of the square crop.
        views: the test protocol; ``<clips>x1`` with ``grid``.
        short: policy for videos shorter than a fragment.
        fps: frames per second at which the video is seen.
    """

    def __init__(
        self,
        num_frames: int = 4,
        frame_interval: int = 1,
        num_clips: int = 8,
        grid: int | None = None,
        patch_size: int | None = None,
        aligned: bool = True,
        short_side: int | None = None,
        crop_size: int = 224,
        views: str = "1x1",
        short: ShortPolicy = "loop",
        fps: float | None = None,
    ) -> None:
        clip = ClipShape(num_frames, frame_interval, short, fps)
        check_positive(
            {
                "clip.num_clips": num_clips,
                "sampler.grid": grid,
                "sampler.patch_size": patch_size,
            }
        )
        super().__init__(clip, short_side, crop_size, views)
        self.num_clips, self.grid, self.aligned = num_clips, grid, aligned
        if grid is not None:
            if patch_size is None and crop_size % grid:
                raise UserError(
                    f"clip.crop_size={crop_size} is no multiple of sampler.grid={grid}; "
                    "give sampler.patch_size"
                )
            if self.protocol.num_crops != 1:
                raise UserError(
                    f"views={views}: a mosaic of sampler.grid={grid} is not cropped; "
                    f"write views={self.protocol.num_clips}x1"
                )
            self.patch_size = patch_size or crop_size // grid

    def choose(self, timeline: Timeline, generator: np.random.Generator | None) -> np.ndarray:
        low_K, high_K = part_ranges(len(timeline), self.num_clips, self.clip.span)
        num_views = self.protocol.num_clips
        if generator is not None or num_views == 1:
            return timeline.clips(places(low_K, high_K, generator)[None])
        shares_V = np.linspace(0, 1, num_views)
        starts_VK = low_K + np.rint(shares_V[:, None] * (high_K - low_K)).astype(np.int64)
        return timeline.clips(starts_VK)

    def cut(
        self, frames_VNT: np.ndarray, info: VideoInfo, generator: np.random.Generator | None
    ) -> list[View]:
        if self.grid is None:
            return super().cut(frames_VNT, info, generator)
        mosaic_NG4 = self._mosaic(info, generator)
        weights_N = np.ones(self.num_clips, np.float32)
        return [View(frames_NT, None, weights_N, mosaic_NG4) for frames_NT in frames_VNT]

    def _mosaic(self, info: VideoInfo, generator: np.random.Generator | None) -> np.ndarray:
        """Boxes of the mini-patches of each fragment: int64 N G 4."""
        assert self.grid is not None
        height, width = resized_size(info.height, info.width, self.crops.short_side)
        if min(height, width) < self.patch_size:
            raise UserError(
                f"{info.path}: frames of {height}x{width} are smaller than "
                f"sampler.patch_size={self.patch_size}; "
                f"set clip.short_side={self.grid * self.patch_size}"
            )
        shape = (1 if self.aligned else self.num_clips, self.grid, self.grid)
        low_y, high_y = part_ranges(height, self.grid, self.patch_size)
        low_x, high_x = part_ranges(width, self.grid, self.patch_size)
        zero = np.zeros(shape, np.int64)
        top = places(zero + low_y[:, None], zero + high_y[:, None], generator)
        left = places(zero + low_x, zero + high_x, generator)
        size = np.full(shape, self.patch_size)
        boxes_NG4 = np.stack([top, left, size, size], axis=-1).reshape(shape[0], -1, 4)
        return np.repeat(boxes_NG4, self.num_clips // shape[0], axis=0)
