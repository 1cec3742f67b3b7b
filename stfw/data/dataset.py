"""One video's way from its record to tensors: probe, sample, decode, cut, transform, collate."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from stfw.data.batches import Item
from stfw.sampling.crops import resized_size
from stfw.transforms.clip import ClipTransform
from stfw.types import Batch, Record, Sampler, VideoError, VideoInfo, View
from stfw.video.decode import decode
from stfw.video.probe import VideoIndex, probe


class VideoDataset(Dataset[Batch]):
    """Videos as samples; all views of a video travel in one sample.

    Args:
        records: the videos of a split.
        sampler: chooses frames and boxes.
        transform: for training: runs on the clips, uint8. None is evaluation: the sampler is
            called without a generator and its boxes do all the cutting.
        short_side: frames are resized to this shorter side while they are decoded.
        seed: with epoch, index and repeat it determines every random choice about an item, so the
            same item is drawn with 0 or 8 workers and on 1 or 8 devices.
    """

    def __init__(
        self,
        records: Sequence[Record],
        sampler: Sampler,
        transform: ClipTransform | None,
        short_side: int | None,
        seed: int = 0,
    ) -> None:
        self.records, self.sampler, self.transform = list(records), sampler, transform
        self.short_side, self.seed = short_side, seed

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, item: Item | int) -> Batch:
        epoch, index, repeat = (0, item, 0) if isinstance(item, int) else item
        record = self.records[index]
        generator = None
        if self.transform is not None:
            seeds = np.random.SeedSequence([self.seed, epoch, index, repeat])
            generator = np.random.default_rng(seeds)
        return load_sample(record, self.sampler, self.transform, self.short_side, generator)


def load_sample(
    record: Record,
    sampler: Sampler,
    transform: ClipTransform | None,
    short_side: int | None,
    generator: np.random.Generator | None,
) -> Batch:
    """Reads one video as the sampler asks.

    Returns:
        A batch of this one video, without the batch axis: ``rgb`` uint8 V N 3 T H W, ``weights``
        V N, ``positions`` V N 3, ``label``, ``video_id``, ``decode_sec``.

    Raises:
        VideoError: the file cannot be read, or the labelled part lies outside it.
    """
    begin = time.perf_counter()
    index = probe(record.path)
    part, first = labelled_part(index.info, record)
    views = sampler(part, generator)
    frames_UHWC, where = _decode_views(index, views, first, short_side)
    decode_sec = time.perf_counter() - begin

    clips, positions = [], []
    for view in views:
        x_NCTHW = cut(frames_UHWC, np.searchsorted(where, view.frames_NT + first), view.boxes_N4)
        if transform is not None and generator is not None:
            x_NCTHW = transform(x_NCTHW, generator)
        clips.append(x_NCTHW)
        positions.append(_centres(view, part, frames_UHWC.shape[1:3]))
    return Batch(
        rgb=torch.stack(clips).contiguous(),
        weights=torch.from_numpy(np.stack([view.weights_N for view in views])),
        positions=torch.from_numpy(np.stack(positions)),
        label=torch.tensor(record.label),
        video_id=[record.video_id],
        decode_sec=torch.tensor(decode_sec, dtype=torch.float32),
    )


def labelled_part(info: VideoInfo, record: Record) -> tuple[VideoInfo, int]:
    """The labelled seconds as a video of their own, and the source frame that it begins at.

    Raises:
        VideoError: ``start_sec`` lies at or past the end.
    """
    if record.start_sec is None and record.end_sec is None:
        return info, 0
    first = round((record.start_sec or 0.0) * info.fps)
    last = info.num_frames
    if record.end_sec is not None:
        last = min(last, max(first + 1, round(record.end_sec * info.fps)))
    if first >= info.num_frames:
        raise VideoError(
            info.path,
            "short",
            f"start_sec={record.start_sec} lies past the end ({info.duration_sec:.2f} s)",
        )
    return dataclasses.replace(info, num_frames=last - first), first


def _decode_views(
    index: VideoIndex, views: Sequence[View], first: int, short_side: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """Decodes every wanted frame once. Returns uint8 U H W 3 and the U frame numbers, sorted."""
    where = np.unique(np.concatenate([view.frames_NT.ravel() for view in views]) + first)
    info = index.info
    size = resized_size(info.height, info.width, short_side)
    native = size == (info.height, info.width)
    return decode(index, where, None if native else size), where


def cut(frames_UHWC: np.ndarray, clips_NT: np.ndarray, boxes_N4: np.ndarray | None) -> Tensor:
    """Gathers clips from decoded frames and cuts their boxes: uint8 N C T H W."""
    if boxes_N4 is None:
        x_NTHWC = frames_UHWC[clips_NT]
    else:
        x_NTHWC = np.stack(
            [
                frames_UHWC[frames_T, top : top + height, left : left + width]
                for frames_T, (top, left, height, width) in zip(clips_NT, boxes_N4, strict=True)
            ]
        )
    return torch.from_numpy(x_NTHWC).permute(0, 4, 1, 2, 3)


def _centres(view: View, info: VideoInfo, size: tuple[int, ...]) -> np.ndarray:
    """(t, y, x) of each clip's centre in 0..1, float32 N 3; (y, x) is 0.5 for uncut frames."""
    t_N = (view.frames_NT.mean(axis=1) + 0.5) / info.num_frames
    if view.boxes_N4 is None:
        y_N = x_N = np.full_like(t_N, 0.5)
    else:
        top, left, height, width = view.boxes_N4.T
        y_N, x_N = (top + height / 2) / size[0], (left + width / 2) / size[1]
    return np.stack([t_N, y_N, x_N], axis=1).astype(np.float32)


def collate(samples: Sequence[Batch]) -> Batch:
    """Joins samples into a batch; videos with fewer clips are padded with weight 0."""
    num_clips = max(sample["weights"].shape[1] for sample in samples)

    def padded(key: str) -> Tensor:
        return torch.stack([_pad_clips(sample[key], num_clips) for sample in samples])  # type: ignore[literal-required]

    rgb = padded("rgb")
    return Batch(
        rgb=rgb,
        weights=padded("weights"),
        positions=padded("positions"),
        label=torch.stack([sample["label"] for sample in samples]),
        video_id=[name for sample in samples for name in sample["video_id"]],
        present={"rgb": torch.ones(len(rgb), dtype=torch.bool)},
        decode_sec=torch.stack([sample["decode_sec"] for sample in samples]),
        padded=any(sample["weights"].shape[1] < num_clips for sample in samples)
        or any(bool((sample["weights"] == 0).any()) for sample in samples),
    )


def _pad_clips(x_VN: Tensor, num_clips: int) -> Tensor:
    missing = num_clips - x_VN.shape[1]
    if missing == 0:
        return x_VN
    return torch.cat([x_VN, x_VN.new_zeros(x_VN.shape[0], missing, *x_VN.shape[2:])], dim=1)
