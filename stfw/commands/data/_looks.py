"""Where in the video a sample was taken from: the sampler's choice, and what a transform cuts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from stfw.data.batches import Item
    from stfw.data.dataset import VideoDataset
    from stfw.transforms.pipeline import ClipPipeline
    from stfw.types import View


@dataclass(frozen=True)
class Look:
    """One view.

    Attributes:
        frames_NT: int64, numbers of its frames in the file.
        boxes: for each clip the quadrangles that it shows: float64 4 2, (x, y) of the corners in
            pixels of the short-side-resized frame.
        mirrored: whether it shows them mirrored.
    """

    frames_NT: np.ndarray
    boxes: list[list[np.ndarray]]
    mirrored: bool


def looks(dataset: VideoDataset, item: Item) -> list[Look]:
    """The views of an item, drawn once more with its own random numbers.

    Raises:
        VideoError: the video cannot be read.
    """
    from stfw.data.sample import labelled_part
    from stfw.sampling.crops import resized_size
    from stfw.video.probe import probe

    epoch, index, repeat = item
    record, loading = dataset.records[index], dataset.loading
    info = probe(record.path, record.span).info
    part, first = labelled_part(info, record)
    size = resized_size(info.height, info.width, loading.short_side)
    if loading.transform is None:
        views = loading.sampler(part, None)
        seeds = [0] * len(views)
    else:  # as VideoDataset and load_sample draw
        seed = np.random.SeedSequence([dataset.seed, epoch, index, repeat])
        generator = np.random.default_rng(seed)
        views = [
            view for _ in range(loading.num_repeats) for view in loading.sampler(part, generator)
        ]
        seeds = [int(generator.integers(2**63)) for _ in views]
    found = []
    for view, own_seed in zip(views, seeds, strict=True):
        boxes, mirrored = _boxes(view, size, loading.transform, own_seed)
        found.append(Look(view.frames_NT + first, boxes, mirrored))
    return found


def _boxes(
    view: View, size: tuple[int, int], transform: ClipPipeline | None, seed: int
) -> tuple[list[list[np.ndarray]], bool]:
    """The quadrangles of each clip of a view, and whether they are mirrored."""
    num_clips = len(view.frames_NT)
    if view.mosaic_NG4 is not None:  # all tiles; what a transform cuts off of them is not shown
        tiles = [[_corners(*box) for box in boxes_G4.tolist()] for boxes_G4 in view.mosaic_NG4]
        side = round(view.mosaic_NG4.shape[1] ** 0.5)
        traced = _traced(transform, seed, *(side * view.mosaic_NG4[0, 0, 2:]).tolist())
        turns = traced is not None and bool(np.linalg.det(traced[0][:, :2]) < 0)
        return tiles, turns != view.flip
    whole_N4 = np.tile([0, 0, *size], (num_clips, 1))
    boxes_N4 = whole_N4 if view.boxes_N4 is None else view.boxes_N4
    height, width = boxes_N4[0, 2:].tolist()
    traced = _traced(transform, seed, height, width)
    if traced is None:
        return [[] for _ in range(num_clips)], False
    affine_23, (out_height, out_width) = traced
    corners_42 = _corners(0, 0, out_height, out_width) @ affine_23[:, :2].T + affine_23[:, 2]
    if view.flip:
        corners_42[:, 0] = width - corners_42[:, 0]
    mirrored = (np.linalg.det(affine_23[:, :2]) < 0) != view.flip
    return [[corners_42 + np.array([left, top])] for top, left, *_ in boxes_N4.tolist()], bool(
        mirrored
    )


def _corners(top: float, left: float, height: float, width: float) -> np.ndarray:
    right, bottom = left + width, top + height
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float64)


def _traced(
    transform: ClipPipeline | None, seed: int, height: int, width: int
) -> tuple[np.ndarray, tuple[int, int]] | None:
    """Which place of its input each pixel of a transform's output shows, and the output's size.

    The transform is given a picture of coordinates, as a stream whose colours it leaves alone.

    Returns:
        The matrix 2 3 from (x, y, 1) of the output to (x, y) of the input; None: it is no affine
        map.
    """
    if transform is None:
        return np.eye(2, 3), (height, width)
    y_HW, x_HW = np.mgrid[:height, :width] + 0.5
    picture_CHW = np.stack([x_HW / width, y_HW / height, np.ones_like(x_HW)]) * 255
    clip_NCTHW = torch.from_numpy(picture_CHW.round().astype(np.uint8))[None, :, None]
    out_CHW = transform(clip_NCTHW, seed, "difference")[0, :, 0].numpy().astype(np.float64)
    size = out_CHW.shape[1:]
    y_HW, x_HW = np.mgrid[: size[0], : size[1]] + 0.5
    inside = out_CHW[2] == 255  # what comes in from outside has another value
    if inside.sum() < 16:
        return None
    places_M3 = np.stack([x_HW[inside], y_HW[inside], np.ones(inside.sum())], axis=1)
    told_M2 = np.stack([out_CHW[0][inside] * width, out_CHW[1][inside] * height], axis=1) / 255
    affine_32 = np.linalg.lstsq(places_M3, told_M2, rcond=None)[0]
    if np.abs(places_M3 @ affine_32 - told_M2).mean() > max(1.0, 0.01 * max(height, width)):
        return None
    return affine_32.T, (size[0], size[1])
