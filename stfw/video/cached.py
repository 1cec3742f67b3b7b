"""Decoded frames kept on disk: many epochs over few videos decode each of them once."""

from __future__ import annotations

import hashlib
import os
import shutil
from contextlib import suppress
from pathlib import Path

import numpy as np

from stfw.video.decode import decode
from stfw.video.probe import cache_dir, identity
from stfw.video.scan import VideoIndex

_VERSION = 1  # of the kept frames; raise it when their meaning changes
_GB = 1e9


class Cached:
    """Keeps all frames of a video, as they are asked for the first time, at the size asked for.

    A second of 30 frames of 96 x 128 pixels takes 1.1 MB. What changes a video (its size, its time
    of change) makes it decode again. Where disk space runs short nothing more is kept, and frames
    are decoded as ever.

    Args:
        folder: where they are kept; None: ``frames`` in stfw's cache.
        max_mb: of decoded frames per video, also in memory for a moment; larger ones are not kept.
        min_free_gb: of disk space that is left untouched.
        strict: see ``stfw.video.decode.decode``.
    """

    def __init__(
        self,
        folder: str | None = None,
        max_mb: float = 500.0,
        min_free_gb: float = 5.0,
        strict: bool = False,
    ) -> None:
        self.folder = Path(os.path.expanduser(folder)) if folder else cache_dir() / "frames"
        self.max_mb, self.min_free_gb, self.strict = max_mb, min_free_gb, strict

    def __call__(
        self, index: VideoIndex, frames: np.ndarray, size: tuple[int, int] | None = None
    ) -> np.ndarray:
        """Frames by number: uint8 len(frames) H W 3; see ``stfw.video.decode.decode``."""
        numbers = np.asarray(frames, np.int64).ravel()
        outside = (numbers < 0) | (numbers >= index.info.num_frames)
        height, width = size or (index.info.height, index.info.width)
        num_bytes = index.info.num_frames * height * width * 3
        if num_bytes > 1e6 * self.max_mb or outside.any() or not len(numbers):
            return decode(index, numbers, size, self.strict)
        file = self._file(index, size)
        kept_FHWC = _read(file, index.info.num_frames)
        if kept_FHWC is None:
            if not self._has_room(num_bytes):
                return decode(index, numbers, size, self.strict)
            kept_FHWC = decode(index, np.arange(index.info.num_frames), size, self.strict)
            _write(file, kept_FHWC)
        return kept_FHWC[numbers]

    def _file(self, index: VideoIndex, size: tuple[int, int] | None) -> Path:
        path, span = index.info.path, index.span
        known = identity(path, span, index.mode == "images")
        digest = hashlib.sha256(
            f"{_VERSION}\0{known}\0{span}\0{size}\0{self.strict}".encode(errors="surrogateescape")
        ).hexdigest()
        return self.folder / digest[:2] / f"{digest}.npy"

    def _has_room(self, num_bytes: int) -> bool:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            return shutil.disk_usage(self.folder).free - num_bytes > self.min_free_gb * _GB
        except OSError:
            return False


def _read(file: Path, num_frames: int) -> np.ndarray | None:
    """The kept frames, not yet read; None: absent or damaged."""
    try:
        kept_FHWC = np.load(file, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError):
        return None
    sound = kept_FHWC.dtype == np.uint8 and kept_FHWC.ndim == 4 and len(kept_FHWC) == num_frames
    return kept_FHWC if sound else None


def _write(file: Path, frames_FHWC: np.ndarray) -> None:
    part = file.with_name(f"{file.name}.{os.getpid()}.part")
    with suppress(OSError):  # a cache that cannot be written only costs time
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            with part.open("wb") as stream:
                np.save(stream, frames_FHWC)
            os.replace(part, file)
        finally:
            part.unlink(missing_ok=True)
