"""One video's way from its record to tensors: probe, sample, decode, cut, transform."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from stfw.data.footage import Decode, Footage
from stfw.data.streams.stream import Stream
from stfw.sampling.crops import resized_size
from stfw.transforms.clip import mirrored
from stfw.transforms.pipeline import ClipPipeline
from stfw.types import Batch, Record, Sampler, VideoError, VideoInfo, View
from stfw.video.probe import probe


@dataclass(frozen=True)
class Limits:
    """Videos beyond these are refused before anything is decoded; None is no limit.

    Attributes:
        max_pixels: height x width.
        max_frames: frames of the file.
        max_bytes: size of the file.
    """

    max_pixels: int | None = None
    max_frames: int | None = None
    max_bytes: int | None = None


@dataclass(frozen=True)
class Loading:
    """How a video becomes a sample.

    Attributes:
        sampler: chooses frames and boxes.
        streams: name to stream.
        transform: for training; None is evaluation: the sampler is called without a generator and
            its boxes do all the cutting.
        decode: the decoder.
        short_side: frames are resized to this shorter side while they are decoded; None: native.
        limits: caps on what is decoded.
        num_repeats: random views of a video per sample in training, from one pass of decoding.
        num_classes: K, where a video may have several classes.
    """

    sampler: Sampler
    streams: Mapping[str, Stream]
    transform: ClipPipeline | None
    decode: Decode
    short_side: int | None = None
    limits: Limits = Limits()
    num_repeats: int = 1
    num_classes: int = 0


def load_sample(
    record: Record, loading: Loading, generator: np.random.Generator | None = None
) -> Batch:
    """Reads one video as the sampler asks.

    Returns:
        A batch of this one video, without the batch axis: per stream uint8 V N C T H W (sound:
        float32 V N 1 M L), ``weights`` V N, ``positions`` V N 3, ``label``, ``video_id``,
        ``present``, ``decode_sec``.

    Raises:
        VideoError: the file cannot be read, or the labelled part lies outside it.
    """
    begin = time.perf_counter()
    if loading.limits.max_bytes is not None:
        _check_bytes(record, loading.limits.max_bytes)
    index = probe(record.path, record.span)
    _check_size(index.info, loading.limits)
    part, first = labelled_part(index.info, record)
    repeats = loading.num_repeats if generator is not None else 1
    views = [view for _ in range(repeats) for view in loading.sampler(part, generator)]
    size = resized_size(index.info.height, index.info.width, loading.short_side)
    native = size == (index.info.height, index.info.width)
    footage = Footage(record, index, loading.decode, None if native else size)

    seeds = [0 if generator is None else int(generator.integers(2**63)) for _ in views]
    streams = _pictures(footage, first, views, seeds, loading) | _sounds(
        footage, first, views, loading
    )
    sample = Batch(
        weights=torch.from_numpy(np.stack([view.weights_N for view in views])),
        positions=torch.from_numpy(
            np.stack([centres(view, part, footage.picture_size) for view in views])
        ),
        label=label_tensor(record.label, loading.num_classes),
        video_id=[record.video_id],
        present={name: torch.tensor(streams[name][1]) for name in loading.streams},
        decode_sec=torch.tensor(time.perf_counter() - begin, dtype=torch.float32),
        skipped=[],
    )
    sample.update({name: x for name, (x, _) in streams.items()})  # type: ignore[typeddict-item]
    return sample


def _pictures(
    footage: Footage, first: int, views: Sequence[View], seeds: Sequence[int], loading: Loading
) -> dict[str, tuple[Tensor, bool]]:
    """Visual streams: uint8 V N C T H W, and whether the video has the stream.

    Args:
        footage: of the video.
        first: source frame at which the labelled part begins.
        views: what is looked at; their frames count from ``first``.
        seeds: of each view's transform.
        loading: streams and transform.
    """
    visual = {name: s for name, s in loading.streams.items() if s.kind != "audio"}
    frames = {
        name: [stream.take(view.frames_NT + first) for view in views]
        for name, stream in visual.items()
    }
    where = {
        name: np.unique(np.concatenate([frames_NT.ravel() for frames_NT in frames[name]]))
        for name in visual
    }
    for name, stream in visual.items():
        footage.need(stream.source.needs(where[name], footage.index.info.num_frames))
    found = {}
    for name, stream in visual.items():
        maps_UHWC = stream.source.read(where[name], footage)
        present = maps_UHWC is not None
        if maps_UHWC is None:
            shape = (len(where[name]), *footage.picture_size, stream.source.channels)
            maps_UHWC = np.full(shape, 127, np.uint8)
        clips = []
        for view, seed, frames_NT in zip(views, seeds, frames[name], strict=True):
            x_NCTHW = cut(maps_UHWC, np.searchsorted(where[name], frames_NT), view)
            if view.flip:
                x_NCTHW = mirrored(x_NCTHW, stream.kind)
            if loading.transform is not None:
                x_NCTHW = loading.transform(x_NCTHW, seed, stream.kind)
            clips.append(x_NCTHW)
        # pixels stay where they are in memory until collate copies them, once
        found[name] = clips[0].unsqueeze(0) if len(clips) == 1 else torch.stack(clips), present
    return found


def _sounds(
    footage: Footage, first: int, views: Sequence[View], loading: Loading
) -> dict[str, tuple[Tensor, bool]]:
    """Streams of sound: float32 V N 1 M L, and whether the video has sound."""
    found = {}
    for name, stream in loading.streams.items():
        if stream.kind == "audio":
            sounds = [stream.source.read(view.frames_NT + first, footage) for view in views]
            present = all(sound is not None for sound in sounds)
            pieces = [
                stream.source.silence(len(view.frames_NT)) if sound is None else sound
                for view, sound in zip(views, sounds, strict=True)
            ]
            found[name] = torch.from_numpy(np.stack(pieces)), present
    return found


def labelled_part(info: VideoInfo, record: Record) -> tuple[VideoInfo, int]:
    """The labelled seconds as a video of their own, and the source frame that it begins at.

    Raises:
        VideoError: ``start_sec`` lies at or past the end.
    """
    if record.start_sec is None and record.end_sec is None:
        return info, 0
    first, last = _frame_at(info, record.start_sec or 0.0), info.num_frames
    if record.end_sec is not None:
        last = min(last, max(first + 1, _frame_at(info, record.end_sec)))
    if first >= info.num_frames:
        raise VideoError(
            info.path,
            "short",
            f"start_sec={record.start_sec} lies past the end ({info.duration_sec:.2f} s)",
        )
    times_F = info.times_F
    if times_F is not None:
        times_F = times_F[first:last] - times_F[first]
    return dataclasses.replace(info, num_frames=last - first, times_F=times_F), first


def _frame_at(info: VideoInfo, second: float) -> int:
    """The frame that begins nearest to a second; past the end it goes on at the mean rate."""
    if info.times_F is None or second > info.times_F[-1]:
        return round(second * info.fps)
    return int(np.abs(info.times_F - second).argmin())


def cut(frames_UHWC: np.ndarray, clips_NT: np.ndarray, view: View) -> Tensor:
    """Gathers clips from decoded frames and cuts their boxes: uint8 N C T H W."""
    if view.mosaic_NG4 is not None:
        x_NTHWC = np.stack(
            [
                _mosaic(frames_UHWC, frames_T, boxes_G4)
                for frames_T, boxes_G4 in zip(clips_NT, view.mosaic_NG4, strict=True)
            ]
        )
    elif view.boxes_N4 is None:
        num_clips, num_frames = clips_NT.shape
        if np.array_equal(clips_NT.ravel(), np.arange(len(frames_UHWC))):  # all, in order: no copy
            x_NTHWC = frames_UHWC.reshape(num_clips, num_frames, *frames_UHWC.shape[1:])
        else:
            x_NTHWC = frames_UHWC[clips_NT]
    else:
        x_NTHWC = np.stack(
            [
                frames_UHWC[frames_T, top : top + height, left : left + width]
                for frames_T, (top, left, height, width) in zip(
                    clips_NT, view.boxes_N4, strict=True
                )
            ]
        )
    return torch.from_numpy(x_NTHWC).permute(0, 4, 1, 2, 3)


def _mosaic(frames_UHWC: np.ndarray, frames_T: np.ndarray, boxes_G4: np.ndarray) -> np.ndarray:
    """g x g boxes of the same size side by side, row by row: T, g * height, g * width, C."""
    side = round(len(boxes_G4) ** 0.5)
    tiles = [
        frames_UHWC[frames_T, top : top + height, left : left + width]
        for top, left, height, width in boxes_G4
    ]
    rows = [np.concatenate(tiles[r * side : (r + 1) * side], axis=2) for r in range(side)]
    return np.concatenate(rows, axis=1)


def centres(view: View, info: VideoInfo, size: tuple[int, int]) -> np.ndarray:
    """(t, y, x) of each clip's centre in 0..1, float32 N 3; (y, x) is 0.5 for uncut frames."""
    t_N = (view.frames_NT.mean(axis=1) + 0.5) / info.num_frames
    if view.boxes_N4 is None:
        y_N = x_N = np.full_like(t_N, 0.5)
    else:
        top, left, height, width = view.boxes_N4.T
        y_N, x_N = (top + height / 2) / size[0], (left + width / 2) / size[1]
    return np.stack([t_N, y_N, x_N], axis=1).astype(np.float32)


def label_tensor(label: int | tuple[int, ...], num_classes: int) -> Tensor:
    """int64 scalar, or float32 K with a 1 for every class that the video has."""
    if isinstance(label, int):
        return torch.tensor(label)
    target_K = torch.zeros(num_classes)
    target_K[list(label)] = 1.0
    return target_K


def _check_bytes(record: Record, max_bytes: int) -> None:
    try:
        size = record.span[1] if record.span else os.path.getsize(record.path)
    except OSError:
        return  # a missing file is told by the probe, a folder of pictures has no size
    if size > max_bytes:
        reason = f"{size} bytes exceed data.max_bytes={max_bytes}"
        raise VideoError(record.path, "too_large", reason)


def _check_size(info: VideoInfo, limits: Limits) -> None:
    pixels = info.height * info.width
    if limits.max_pixels is not None and pixels > limits.max_pixels:
        reason = f"{info.width}x{info.height} exceeds data.max_pixels={limits.max_pixels}"
        raise VideoError(info.path, "too_large", reason)
    if limits.max_frames is not None and info.num_frames > limits.max_frames:
        reason = f"{info.num_frames} frames exceed data.max_frames={limits.max_frames}"
        raise VideoError(info.path, "too_large", reason)
