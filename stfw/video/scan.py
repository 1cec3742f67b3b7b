"""Makes the index of a video file: where each frame is and how to reach it.

mp4, mov, mkv and webm with a codec of one frame per packet are indexed by presentation time,
without decoding. Everything else (AVI, MPEG, transport streams), and files whose time stamps are
missing, repeated or contradicted by the decoder, is indexed by counting what the decoder gives: in
such files time stamps are often wrong, and neighbours would change places.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import av
import numpy as np

from stfw.types import VideoError, VideoInfo
from stfw.video.container import open_video, say

_TIMED_FORMATS = {"mov", "mp4", "matroska", "webm"}
# each packet of these is one frame to show; VP8, for one, hides frames in packets of their own
_TIMED_CODECS = {"h264", "hevc", "vp9", "av1"}
# from a key frame of these on, pictures are those of a decoder that began at the start; WMV, for
# one, keeps a state that key frames do not reset
_SEEKING_CODECS = _TIMED_CODECS | {"mpeg1video", "mpeg2video", "mpeg4", "vp8", "mjpeg", "ffv1"}


@dataclass(frozen=True)
class VideoIndex:
    """Where the frames of a file are.

    Attributes:
        info: size, length and rate of the upright video.
        mode: ``pts``: frame ``i`` is the one with ``pts_F[i]``; ``count``: it is the decoder's
            ``i``-th output.
        rotation: quarter turns, counterclockwise, that bring a decoded frame upright.
        pts_F: int64, presentation times in display order; empty in ``count`` mode.
        time_base: seconds per unit of ``pts_F``.
        keys_G: int64, number of each key frame that can be sought, ascending.
        key_time_G: int64, time stamp to seek to for each of them.
        key_pos_G: int64, byte position of each of them, by which a seek is checked.
    """

    info: VideoInfo
    mode: Literal["pts", "count"]
    rotation: int
    pts_F: np.ndarray
    time_base: float
    keys_G: np.ndarray
    key_time_G: np.ndarray
    key_pos_G: np.ndarray


class _Packet(NamedTuple):
    """What a packet says of itself, without its payload."""

    pts: int | None
    dts: int | None
    pos: int | None
    is_key: bool


class _Decoded(NamedTuple):
    """What the decoder says."""

    height: int
    width: int
    rotation: int
    first_pts: int | None
    num_frames: int
    keys: list[int]  # numbers of the key frames


def scan(path: str) -> VideoIndex:
    """Makes the index: demuxes the file, and decodes it once where time stamps are no guide.

    Raises:
        VideoError: the file cannot be opened, or no frame of it decodes.
    """
    container, stream = open_video(path)
    with container:
        packets = list(_packets(container, stream, path))
        rate = float(stream.average_rate or stream.guessed_rate or 0) or 25.0
        time_base, has_audio = float(stream.time_base), bool(container.streams.audio)
        formats = set(container.format.name.split(","))
        reorders = stream.codec_context.has_b_frames
        codec = stream.codec_context.codec.canonical_name
        timed = bool(formats & _TIMED_FORMATS) and codec in _TIMED_CODECS
        timed = timed and _trustworthy(packets, reorders)
    keys = [p for p in packets if p.is_key and p.pos is not None]
    keys = keys if codec in _SEEKING_CODECS else []
    pts_F = np.sort(np.array([p.pts for p in packets] if timed else [], np.int64))
    decoded = _decode(path, at_most=1 if timed else None)
    if timed and decoded.first_pts != pts_F[0]:  # the decoder withholds what comes first
        timed, pts_F, decoded = False, pts_F[:0], _decode(path)
    if timed:
        num_frames = len(pts_F)
        if num_frames > 1:
            rate = (num_frames - 1) / float((pts_F[-1] - pts_F[0]) * time_base)
        places = {int(np.searchsorted(pts_F, p.pts)): (p.pts, p.pos) for p in keys}
    else:
        num_frames = decoded.num_frames
        matched = len(keys) == len(decoded.keys) and all(p.dts is not None for p in keys)
        places = (
            {n: (p.dts, p.pos) for n, p in zip(decoded.keys, keys, strict=True)} if matched else {}
        )
    numbers = sorted(places)
    turned = decoded.rotation % 2 == 1
    height, width = (decoded.width, decoded.height) if turned else (decoded.height, decoded.width)
    return VideoIndex(
        VideoInfo(path, num_frames, rate, height, width, has_audio),
        "pts" if timed else "count",
        decoded.rotation,
        pts_F,
        time_base,
        np.array(numbers, np.int64),
        np.array([places[n][0] for n in numbers], np.int64),
        np.array([places[n][1] for n in numbers], np.int64),
    )


def _packets(container: Any, stream: Any, path: str) -> Iterator[_Packet]:
    """The packets that hold a frame to show, in decoding order, up to the first damage."""
    try:
        for packet in container.demux(stream):
            if packet.has_sidedata("encryption_info"):
                raise VideoError(path, "open", "is encrypted")
            if packet.size and not packet.is_discard:
                yield _Packet(packet.pts, packet.dts, packet.pos, packet.is_keyframe)
    except av.FFmpegError:
        return


def _trustworthy(packets: Sequence[_Packet], reorders: bool) -> bool:
    """Whether presentation times can number the frames."""
    times = [p.pts for p in packets]
    if not times or None in times or len(set(times)) < len(times):
        return False
    # a writer that knew nothing of reordered frames stored their order of decoding as time
    return not (reorders and len(times) > 2 and times == sorted(times))  # type: ignore[type-var]


def _decode(path: str, at_most: int | None = None) -> _Decoded:
    """Decodes without converting, up to the first damage."""
    container, stream = open_video(path)
    first, count = None, 0
    keys = []
    with container:
        try:
            for frame in container.decode(stream):
                first = first or frame
                if frame.key_frame:
                    keys.append(count)
                count += 1
                if count == at_most:
                    break
        except av.FFmpegError as error:
            if first is None:
                reason = f"no frame decodes ({say(error)})"
                raise VideoError(path, "decode", reason) from error
        if first is None:
            raise VideoError(path, "decode", "no frame decodes")
        rotation = round(first.rotation / 90) % 4
        return _Decoded(first.height, first.width, rotation, first.pts, count, keys)
