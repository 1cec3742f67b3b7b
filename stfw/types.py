"""The shared vocabulary: the few types that every floor may speak of.

Shape letters, worn by names as suffixes (``x_BCTHW``, ``tokens_BSD``, ``logits_BK``):

``B`` batch, ``V`` views (test-time repeats, each its own prediction), ``N`` clips that the model
takes together, ``C`` channels, ``T`` frames, ``H W`` pixels, ``S`` steps, ``D`` features,
``K`` classes.

This module imports nothing heavy, so that it costs nothing to anyone.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypedDict

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

Split = Literal["train", "val", "test"]
ShortPolicy = Literal["loop", "repeat_last", "error"]
_SUFFIXES = ("mp4", "avi", "mkv", "mov", "webm", "mpg", "mpeg", "m4v", "ts", "flv", "wmv", "3gp")
VIDEO_SUFFIXES = frozenset(f".{suffix}" for suffix in _SUFFIXES)
VideoErrorKind = Literal["missing", "open", "no_video", "no_audio", "decode", "short", "too_large"]


class UserError(Exception):
    """A mistake that the person at the shell can mend.

    The message is one sentence that names the thing, its value and the way out; the command
    line prints it without a traceback and exits with status 2.
    """


def nearest(name: str, names: Iterable[str]) -> str:
    """``"; did you mean 'x'?"`` for a name that is not among ``names``; empty if none is near."""
    near = difflib.get_close_matches(name, list(names), n=1, cutoff=0.5)
    return f"; did you mean '{near[0]}'?" if near else ""


class VideoError(UserError):
    """A video that cannot be read as asked.

    Args:
        path: the file.
        kind: ``missing``, ``open`` (not a readable container), ``no_video`` (no video track),
            ``no_audio`` (no sound where it is asked for), ``decode`` (frames missing or broken),
            ``short`` (fewer frames than a clip needs under ``short=error``), ``too_large``
            (refused by a size cap).
        reason: what was found, in words.
    """

    def __init__(self, path: str, kind: VideoErrorKind, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path, self.kind, self.reason = path, kind, reason

    def __reduce__(self) -> tuple[type, tuple[str, str, str]]:  # survives DataLoader workers
        return type(self), (self.path, self.kind, self.reason)


@dataclass(frozen=True)
class Record:
    """One labelled video, or one labelled part of one.

    Attributes:
        video_id: unique name within the split; the key of predictions.
        path: absolute path of the file; or, for a folder of pictures, the pattern of their names
            (``/data/clip/img_%05d.jpg``); or, with ``span``, the path or URL of the file around it.
        label: class index, 0..K-1; where a video may have several classes, their indices.
        start_sec: beginning of the labelled part; None is the beginning of the file.
        end_sec: end (exclusive) of the labelled part; None is the end of the file.
        group: what must never stand on both sides of a split (scene, camera, subject).
        span: (first byte, number of bytes) of the video within ``path``, a tar shard.
    """

    video_id: str
    path: str
    label: int | tuple[int, ...]
    start_sec: float | None = None
    end_sec: float | None = None
    group: str | None = None
    span: tuple[int, int] | None = None

    @property
    def labels(self) -> tuple[int, ...]:
        """Its classes, one or several."""
        return (self.label,) if isinstance(self.label, int) else self.label


@dataclass(frozen=True)
class VideoInfo:
    """What is known of a video without decoding it.

    Attributes:
        path: the file.
        num_frames: frames that decode, numbered 0..num_frames-1 in display order.
        fps: mean frames per second.
        height: rows of the upright frame (container rotation applied).
        width: columns of the upright frame.
        has_audio: whether the file has an audio track.
        times_F: float64, seconds from the first frame to each; None: the rate is constant.
    """

    path: str
    num_frames: int
    fps: float
    height: int
    width: int
    has_audio: bool = False
    times_F: np.ndarray | None = field(default=None, compare=False, repr=False)

    @property
    def duration_sec(self) -> float:
        return self.num_frames / self.fps if self.fps else 0.0


@dataclass(frozen=True)
class View:
    """Which frames, and which pixels of them, one prediction looks at.

    Attributes:
        frames_NT: int64, source frame numbers of N clips of T frames.
        boxes_N4: int64 (top, left, height, width) in pixels of the short-side-resized frame;
            None leaves the crop to the transform.
        weights_N: float32, 0 marks padding that is never encoded.
        mosaic_NG4: int64, instead of boxes: G = g * g equal boxes a clip, laid out row by row as
            one picture of g x g tiles (FAST-VQA's grid of mini-patches).
        flip: whether the view is mirrored left to right (the second half of a 10-crop).
    """

    frames_NT: np.ndarray
    boxes_N4: np.ndarray | None = None
    weights_N: np.ndarray = field(default_factory=lambda: _one_weight())
    mosaic_NG4: np.ndarray | None = None
    flip: bool = False


def _one_weight() -> np.ndarray:
    import numpy as np

    return np.ones(1, np.float32)


Sampler = Callable[[VideoInfo, "np.random.Generator | None"], "list[View]"]
StreamKind = Literal["rgb", "flow", "difference", "audio"]


class Reader(Protocol):
    """A data set: class names and records per split. Pixels are somebody else's business."""

    @property
    def classes(self) -> list[str]:
        """Class names; a record's label is an index into them."""
        ...

    def records(self, split: Split) -> list[Record]:
        """The videos of one split, in a fixed order."""
        ...


class Batch(TypedDict, total=False):
    """What collate makes and a network takes; views of one video travel together.

    Streams stand beside these keys under their own names: pictures uint8 B V N C T H W (rgb 3,
    flow 2, difference 3 channels) on the loader's side and normalised float after transfer; sound
    float32 B V N 1 M L, log-mel.
    """

    rgb: Tensor  # the stream that is always met; others by their names
    weights: Tensor  # float32 B V N, 0 = padding
    positions: Tensor  # float32 B V N 3, (t, y, x) of each clip's centre in 0..1
    label: Tensor  # int64 B; where a video may have several classes: float32 B K of 0 and 1
    target: Tensor  # float32 B K, set where labels were mixed in training
    video_id: list[str]
    present: dict[str, Tensor]  # stream -> bool B
    decode_sec: Tensor  # float32 B, seconds spent reading this sample
    padded: bool  # whether any weight is 0, or any video lacks a stream
    skipped: list[VideoError]  # unreadable videos that others stand in for


@dataclass(frozen=True)
class Views:
    """The test protocol: ``num_clips`` moments x ``num_crops`` crops, probabilities averaged."""

    num_clips: int = 1
    num_crops: int = 1

    @classmethod
    def parse(cls, text: Any) -> Views:
        """Reads ``"10x3"``.

        Raises:
            UserError: anything but two positive integers around an ``x``, or a number of crops
                other than 1, 3, 10.
        """
        match = re.fullmatch(r"([1-9]\d*)x([1-9]\d*)", str(text))
        if match is None:
            raise UserError(f"views={text} is not <clips>x<crops>; write for example views=10x3")
        num_clips, num_crops = int(match[1]), int(match[2])
        if num_crops not in (1, 3, 10):
            raise UserError(
                f"views={text}: {num_crops} crops are not known; use 1 (centre), 3 (along the "
                "longer side) or 10 (corners and centre, each mirrored)"
            )
        return cls(num_clips, num_crops)

    def __len__(self) -> int:
        return self.num_clips * self.num_crops

    def __str__(self) -> str:
        return f"{self.num_clips}x{self.num_crops}"
