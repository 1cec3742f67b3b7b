"""The index of a video file, made once and cached."""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import av
import numpy as np

from stfw.types import VideoError, VideoInfo
from stfw.video.blob import Span, is_remote
from stfw.video.images import is_pattern, scan_images
from stfw.video.scan import VideoIndex, scan, with_times

__all__ = ["VideoIndex", "cache_dir", "decoders", "identity", "probe"]

_VERSION = 3  # of the cached files; raise it when the meaning of an index changes
_KNOWN: dict[str, VideoIndex] = {}  # of this process: reading one back costs a tenth of a clip
_MAX_KNOWN = 8192  # some kilobytes each
_ARRAYS = ("pts_F", "keys_G", "key_time_G", "key_pos_G")


def probe(path: str, span: Span | None = None) -> VideoIndex:
    """The index of a file, from the cache where path, size and time of change are the same.

    Args:
        path: the file, or the pattern of a folder of pictures, ``/data/clip/img_%05d.jpg``.
        span: (first byte, number of bytes) of the video within ``path``.

    Raises:
        VideoError: missing, not a video, nothing in it decodes, or larger than ``MAX_PIXELS``.
    """
    pictures = span is None and is_pattern(path) and not os.path.lexists(path)
    key = f"{_VERSION}\0{identity(path, span, pictures)}\0{span}"
    known = _KNOWN.get(key)
    if known is not None:
        return known
    digest = hashlib.sha256(key.encode(errors="surrogateescape")).hexdigest()
    cached = cache_dir() / "index" / digest[:2] / f"{digest}.index"
    index = _read(cached, path, span)
    if index is None:
        index = scan_images(path) if pictures else scan(path, span)
        _write(cached, index)
    if len(_KNOWN) >= _MAX_KNOWN:
        _KNOWN.pop(next(iter(_KNOWN)))  # the oldest
    _KNOWN[key] = index
    return index


def identity(path: str, span: Span | None, pictures: bool) -> str:
    """What changes when the content does. Of a URL only the name is known without asking.

    Raises:
        VideoError: there is no such file.
    """
    if span is not None and is_remote(path):
        return path
    try:
        status = os.stat(os.path.dirname(path) if pictures else path)
    except (OSError, ValueError) as error:
        raise VideoError(path, "missing", "there is no such file") from error
    return f"{os.path.abspath(path)}\0{status.st_size}\0{status.st_mtime_ns}"


def cache_dir() -> Path:
    """``STFW_CACHE``, or ``~/.cache/stfw``."""
    chosen = os.environ.get("STFW_CACHE") or os.path.join("~", ".cache", "stfw")
    return Path(os.path.expanduser(chosen))


def decoders() -> set[str]:
    """Names of the codecs that this PyAV decodes."""
    found = set()
    for name in av.codecs_available:
        with suppress(ValueError):
            found.add(av.Codec(name, "r").canonical_name)
    return found


def _read(cached: Path, path: str, span: Span | None) -> VideoIndex | None:
    """The index in a cache file: checksum, a line of JSON, integers. None: absent or damaged."""
    try:
        checksum, content = cached.read_bytes().split(b"\n", 1)
        if int(checksum) != zlib.crc32(content):
            return None
        line, numbers = content.split(b"\n", 1)
        head = json.loads(line)
        ends = np.cumsum(head.pop("lengths"))
        arrays = np.split(np.frombuffer(numbers, "<i8"), ends[:-1])
        head.update(zip(_ARRAYS, arrays, strict=True))
        info = VideoInfo(**{**head.pop("info"), "path": path})
        return with_times(VideoIndex(info=info, span=span, **head))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _write(cached: Path, index: VideoIndex) -> None:
    arrays = [getattr(index, name) for name in _ARRAYS]
    info = asdict(index.info)
    del info["times_F"]  # follows from pts_F
    head = {
        "info": info,
        "mode": index.mode,
        "rotation": index.rotation,
        "time_base": index.time_base,
        "lengths": [len(array) for array in arrays],
    }
    numbers = b"".join(array.astype("<i8").tobytes() for array in arrays)
    content = json.dumps(head).encode() + b"\n" + numbers
    part = cached.with_name(f"{cached.name}.{os.getpid()}.part")
    with suppress(OSError):  # a cache that cannot be written only costs time
        cached.parent.mkdir(parents=True, exist_ok=True)
        try:
            part.write_bytes(b"%d\n" % zlib.crc32(content) + content)
            os.replace(part, cached)
        finally:
            part.unlink(missing_ok=True)
