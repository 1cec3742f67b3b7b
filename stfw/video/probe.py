"""What is in a video file: a header index, made once and cached.

mp4, mkv and webm are indexed by presentation time without decoding. Everything else (AVI, MPEG,
transport streams), and files whose time stamps are missing or repeat, is indexed by counting what
the decoder gives: in such files time stamps are often wrong, and neighbours would change places.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np

from stfw.types import VideoError, VideoInfo

MAX_PIXELS = 8192 * 8192  # beyond 8K; a small file can claim far more
_TIMED_FORMATS = ("mov", "mp4", "matroska", "webm")
_VERSION = 1


@dataclass(frozen=True)
class VideoIndex:
    """Where the frames of a file are.

    Attributes:
        info: size, length and rate of the upright video.
        mode: ``pts``: frame ``i`` is the one with ``pts_F[i]``; ``count``: it is the decoder's
            ``i``-th output.
        rotation: quarter turns, counterclockwise, that bring a decoded frame upright.
        pts_F: int64, presentation times in display order; empty in ``count`` mode.
        keys_G: int64, frame number of each key frame that can be sought.
        key_dts_G: int64, decoding time to seek to for each of them.
        key_pos_G: int64, byte position of each of them.
    """

    info: VideoInfo
    mode: Literal["pts", "count"]
    rotation: int
    pts_F: np.ndarray
    keys_G: np.ndarray
    key_dts_G: np.ndarray
    key_pos_G: np.ndarray


def probe(path: str) -> VideoIndex:
    """The index of a file, from the cache where the file is unchanged.

    Raises:
        VideoError: missing, not a video, nothing in it decodes, or larger than ``MAX_PIXELS``.
    """
    try:
        status = os.stat(path)
    except OSError as error:
        raise VideoError(path, "missing", "there is no such file") from error
    key = f"{_VERSION}\0{os.path.abspath(path)}\0{status.st_size}\0{status.st_mtime_ns}"
    digest = hashlib.sha256(key.encode(errors="surrogateescape")).hexdigest()
    cached = cache_dir() / "index" / digest[:2] / f"{digest}.npz"
    index = _read(cached, path)
    if index is None:
        index = scan(path)
        _write(cached, index)
    return index


def cache_dir() -> Path:
    """``STFW_CACHE``, or ``~/.cache/stfw``."""
    chosen = os.environ.get("STFW_CACHE")
    return Path(chosen).expanduser() if chosen else Path.home() / ".cache" / "stfw"


def decoders() -> set[str]:
    """Names of the codecs that this PyAV decodes."""
    found = set()
    for name in av.codecs_available:
        with suppress(ValueError):
            found.add(av.Codec(name, "r").canonical_name)
    return found


def open_video(path: str) -> tuple[Any, Any]:
    """Opens a local file for decoding in one thread: (container, video stream).

    Raises:
        VideoError: not readable, no video track, or too large.
    """
    if not os.path.isfile(path):
        raise VideoError(path, "missing", "there is no such file")
    try:
        # `file:` and the list keep a crafted file or name from reaching the network
        container = av.open(
            "file:" + os.path.abspath(path), options={"protocol_whitelist": "file"}
        )
    except (av.FFmpegError, ValueError, UnicodeError) as error:
        raise VideoError(path, "open", f"not a video that can be read ({_say(error)})") from error
    try:
        covers = av.stream.Disposition.attached_pic
        streams = [s for s in container.streams.video if not s.disposition & covers]
        if not streams:
            raise VideoError(path, "no_video", "has no video track")
        stream = streams[0]
        if stream.codec_context is None:
            raise VideoError(path, "no_video", "its video codec is not known here")
        width, height = stream.codec_context.width, stream.codec_context.height
        if width * height > MAX_PIXELS:
            raise VideoError(
                path, "too_large", f"{width}x{height} pixels exceed the cap of {MAX_PIXELS}"
            )
        stream.thread_type = "NONE"  # workers are the parallelism
        stream.codec_context.thread_count = 1
    except BaseException:
        container.close()
        raise
    return container, stream


def scan(path: str) -> VideoIndex:
    """Makes the index: demuxes the file, and decodes it once where time stamps are no guide.

    Raises:
        VideoError: as ``probe``.
    """
    container, stream = open_video(path)
    try:
        packets = [p for p in _packets(container, stream, path) if p.size and not p.is_discard]
        pts = [p.pts for p in packets]
        timed = (
            any(name in container.format.name for name in _TIMED_FORMATS)
            and None not in pts
            and len(set(pts)) == len(pts)
        )
        rate = float(stream.average_rate or stream.guessed_rate or 0) or 25.0
        base, has_audio = stream.time_base, bool(container.streams.audio)
        keys = [p for p in packets if p.is_keyframe and p.dts is not None]
    finally:
        container.close()
    if timed and packets:
        size, rotation, _, _ = _decode_for_index(path, at_most=1)
        pts_F = np.sort(np.array(pts, np.int64))
        if len(pts_F) > 1:
            rate = (len(pts_F) - 1) / float((pts_F[-1] - pts_F[0]) * base)
        keys_G = np.searchsorted(pts_F, [p.pts for p in keys])
        num_frames = len(pts_F)
    else:
        size, rotation, num_frames, key_outputs = _decode_for_index(path)
        pts_F = np.empty(0, np.int64)
        seekable = len(key_outputs) == len(keys)
        keys = keys if seekable else []
        keys_G = np.array(key_outputs if seekable else [], np.int64)
    height, width = size if rotation % 2 == 0 else size[::-1]
    return VideoIndex(
        VideoInfo(path, num_frames, rate, height, width, has_audio),
        "pts" if len(pts_F) else "count",
        rotation,
        pts_F,
        keys_G.astype(np.int64),
        np.array([p.dts for p in keys], np.int64),
        np.array([-1 if p.pos is None else p.pos for p in keys], np.int64),
    )


def _packets(container: Any, stream: Any, path: str) -> list[Any]:
    found = []
    try:
        for packet in container.demux(stream):
            found.append(packet)
    except av.FFmpegError as error:
        if not found:
            raise VideoError(path, "open", f"cannot be read ({_say(error)})") from error
    return found


def _decode_for_index(
    path: str, at_most: int | None = None
) -> tuple[tuple[int, int], int, int, list[int]]:
    """Decodes without converting: (height, width), rotation, frames, numbers of key frames."""
    container, stream = open_video(path)
    size, rotation, count, keys = (0, 0), 0, 0, []
    try:
        for frame in container.decode(stream):
            if count == 0:
                size, rotation = (frame.height, frame.width), round(frame.rotation / 90) % 4
            if frame.key_frame:
                keys.append(count)
            count += 1
            if count == at_most:
                break
    except av.FFmpegError as error:
        if count == 0:
            raise VideoError(path, "decode", f"no frame decodes ({_say(error)})") from error
    finally:
        container.close()
    if count == 0:
        raise VideoError(path, "decode", "no frame decodes")
    return size, rotation, count, keys


def _say(error: BaseException) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).split())


def _read(cached: Path, path: str) -> VideoIndex | None:
    try:
        with np.load(cached, allow_pickle=False) as stored:
            head = json.loads(str(stored["head"]))
            arrays = {name: stored[name] for name in ("pts_F", "keys_G", "key_dts_G", "key_pos_G")}
        info = VideoInfo(**{**head["info"], "path": path})
        return VideoIndex(info, head["mode"], head["rotation"], **arrays)
    except Exception:  # absent or damaged in whatever way: made anew
        return None


def _write(cached: Path, index: VideoIndex) -> None:
    head = {"info": asdict(index.info), "mode": index.mode, "rotation": index.rotation}
    part = cached.with_name(f"{cached.stem}.{os.getpid()}.part.npz")
    with suppress(OSError):  # a cache that cannot be written only costs time
        cached.parent.mkdir(parents=True, exist_ok=True)
        np.savez(
            part,
            head=np.array(json.dumps(head)),
            pts_F=index.pts_F,
            keys_G=index.keys_G,
            key_dts_G=index.key_dts_G,
            key_pos_G=index.key_pos_G,
        )
        os.replace(part, cached)


