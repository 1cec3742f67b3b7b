"""What a scan has seen of each file, and what of it deserves a person's attention."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

MIN_FRAMES = 31  # 16 frames, 2 apart: the commonest clip
MAX_SEC = 600.0  # a file of which a clip shows next to nothing, and of which an index is large
_SUFFIXES = {
    "mov,mp4,m4a,3gp,3g2,mj2": (".mp4", ".mov", ".m4v", ".3gp"),
    "matroska,webm": (".mkv", ".webm"),
    "avi": (".avi",),
    "mpeg": (".mpg", ".mpeg"),
    "mpegvideo": (".mpg", ".mpeg"),
    "mpegts": (".ts", ".mpg", ".mpeg"),
    "flv": (".flv",),
    "asf": (".wmv",),
}


@dataclass(frozen=True)
class Seen:
    """One file; what is not known of it is None.

    Attributes:
        path: absolute, or as the data set names it.
        size: bytes.
        splits: it belongs to.
        labels: class names it has.
        kind: of the error where it cannot be read (``stfw.types.VideoErrorKind``).
        reason: of the error, in words.
        container: by FFmpeg's name, as are the codecs and the pixel format.
        codec: of the pictures.
        pixel_format: of the pictures.
        audio_codec: None: no sound.
        num_frames: by the index.
        fps: mean frames per second.
        height: of the upright picture.
        width: of the upright picture.
        duration_sec: length.
        is_variable: whether the frame rate varies.
        num_decoded: frames that came when all were decoded.
        num_corrupt: those of them that are damaged, and packets that were refused.
        sha256: of the content; known of files of equal size only.
    """

    path: str
    size: int | None = None
    splits: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    kind: str | None = None
    reason: str | None = None
    container: str | None = None
    codec: str | None = None
    pixel_format: str | None = None
    audio_codec: str | None = None
    num_frames: int | None = None
    fps: float | None = None
    height: int | None = None
    width: int | None = None
    duration_sec: float | None = None
    is_variable: bool = False
    num_decoded: int | None = None
    num_corrupt: int | None = None
    sha256: str | None = None

    @property
    def readable(self) -> bool:
        return self.kind is None


@dataclass(frozen=True)
class Finding:
    """Files with one thing in common that deserves attention, the worst first.

    Attributes:
        name: short, in the plural.
        meaning: why it matters, in a sentence.
        head: names of the columns.
        rows: a file, or a group of equal files, each.
    """

    name: str
    meaning: str
    head: tuple[str, ...]
    rows: list[tuple[Any, ...]] = field(default_factory=list)


def findings(files: Sequence[Seen], shown: Callable[[str], str] = str) -> list[Finding]:
    """All kinds of findings, the gravest first; those without rows too.

    Args:
        files: what was seen.
        shown: how a path is written.
    """
    good = [file for file in files if file.readable]
    short = sorted(
        (f for f in good if (f.num_frames or 0) < MIN_FRAMES), key=lambda f: f.num_frames or 0
    )
    long = sorted(
        (f for f in good if (f.duration_sec or 0) > MAX_SEC), key=lambda f: -(f.duration_sec or 0)
    )
    damaged = [f for f in good if f.num_decoded is not None and _lost(f)]
    return [
        Finding(
            "missing",
            "The data set names them, but there is no such file.",
            ("video", "split"),
            [(shown(f.path), ", ".join(f.splits)) for f in files if f.kind == "missing"],
        ),
        Finding(
            "unreadable",
            "Training stops at them, or goes on without them under data.on_error=skip.",
            ("video", "kind", "reason"),
            [
                (shown(f.path), f.kind, f.reason)
                for f in files
                if not f.readable and f.kind != "missing"
            ],
        ),
        Finding(
            "damaged",
            "Not all of their frames decode whole: a clip that meets such a frame may be "
            "unreadable, and is with decoder.strict=true.",
            ("video", "frames", "decoded", "damaged"),
            [
                (shown(f.path), f.num_frames, f.num_decoded, f.num_corrupt)
                for f in sorted(damaged, key=_lost, reverse=True)
            ],
        ),
        *_duplicates(files, shown),
        Finding(
            "wrongly named",
            "The suffix says another container than the file has; other programs may trip.",
            ("video", "container"),
            [(shown(f.path), f.container) for f in good if _misnamed(f)],
        ),
        Finding(
            "very short",
            f"Fewer frames than {MIN_FRAMES}, the span of 16 frames 2 apart: clips of them loop.",
            ("video", "frames"),
            [(shown(f.path), f.num_frames) for f in short],
        ),
        Finding(
            "very long",
            f"Longer than {MAX_SEC / 60:g} minutes: one label for all of it may say little.",
            ("video", "minutes"),
            [(shown(f.path), round((f.duration_sec or 0) / 60, 1)) for f in long],
        ),
    ]


def _duplicates(files: Sequence[Seen], shown: Callable[[str], str]) -> list[Finding]:
    by_content: dict[str, list[Seen]] = {}
    for file in files:
        if file.sha256 is not None:
            by_content.setdefault(file.sha256, []).append(file)
    groups = [group for group in by_content.values() if len(group) > 1]
    # one file that serves two splits is the data set's own choice; two equal files are an accident
    leaks = [group for group in groups if len({f.splits for f in group}) > 1]
    doubtful = [group for group in groups if len({f.labels for f in group}) > 1]
    return [
        Finding(
            "equal files in different splits",
            "What is measured on them was trained on.",
            ("videos", "splits"),
            [(_names(g, shown), " | ".join(", ".join(f.splits) for f in g)) for g in leaks],
        ),
        Finding(
            "equal files of different classes",
            "One of the labels is wrong.",
            ("videos", "classes"),
            [(_names(g, shown), " | ".join(", ".join(f.labels) for f in g)) for g in doubtful],
        ),
        Finding(
            "equal files",
            "Byte for byte the same content, counted several times.",
            ("videos", "copies"),
            [(_names(g, shown), len(g)) for g in groups],
        ),
    ]


def counts(files: Sequence[Seen]) -> dict[str, Any]:
    """Totals, and how often each container, codec, size, rate and kind of sound occurs."""
    good = [file for file in files if file.readable]

    def tally(name: Callable[[Seen], Any]) -> dict[str, int]:
        return dict(Counter(str(name(file)) for file in good).most_common())

    return {
        "num_videos": len(files),
        "num_readable": len(good),
        "num_frames": sum(f.num_frames or 0 for f in good),
        "duration_sec": sum(f.duration_sec or 0.0 for f in good),
        "num_bytes": sum(f.size or 0 for f in files),
        "num_with_audio": sum(f.audio_codec is not None for f in good),
        "num_variable_rate": sum(f.is_variable for f in good),
        "containers": tally(lambda f: (f.container or "").split(",")[0]),
        "codecs": tally(lambda f: f.codec),
        "pixel_formats": tally(lambda f: f.pixel_format),
        "audio": tally(lambda f: f.audio_codec or "none"),
        "sizes": tally(lambda f: f"{f.width}x{f.height}"),
        "rates": tally(lambda f: f"{f.fps or 0:.4g}"),
    }


def per_class(files: Sequence[Seen]) -> tuple[list[str], list[list[Any]]]:
    """Splits, and a row per class with its number of videos in each; both sorted by name.

    Where videos are missing they are counted apart, in a last column.
    """
    order = ("train", "val", "test")
    columns = [split for split in order if any(split in f.splits for f in files)]
    columns += ["missing"] if any(f.kind == "missing" for f in files) else []
    cells = Counter(
        (name, column)
        for f in files
        for name in f.labels
        for column in (("missing",) if f.kind == "missing" else f.splits)
    )
    names = sorted({name for name, _ in cells})
    return columns, [[name, *(cells[name, column] for column in columns)] for name in names]


def _lost(file: Seen) -> int:
    """How many frames are missing or damaged."""
    return abs((file.num_frames or 0) - (file.num_decoded or 0)) + (file.num_corrupt or 0)


def _misnamed(file: Seen) -> bool:
    suffixes = _SUFFIXES.get(file.container or "")
    return suffixes is not None and os.path.splitext(file.path)[1].lower() not in suffixes


def _names(group: Sequence[Seen], shown: Callable[[str], str]) -> str:
    return " | ".join(shown(file.path) for file in group)
