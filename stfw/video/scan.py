"""Makes the index of a video file: where each frame is and how to reach it.

mp4, mov, mkv and webm with a codec of one frame per packet are indexed by presentation time,
without decoding. Everything else (AVI, MPEG, transport streams), and files whose time stamps are
missing, repeated or contradicted by the decoder, is indexed by counting what the decoder gives: in
such files time stamps are often wrong, and neighbours would change places.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import av
import numpy as np

from stfw.types import VideoError, VideoInfo
from stfw.video.blob import Span
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
            ``i``-th output; ``images``: it is the picture with number ``pts_F[i]``.
        rotation: quarter turns, counterclockwise, that bring a decoded frame upright.
        time_base: seconds per unit of ``pts_F``.
        pts_F: int64, presentation times in display order; empty in ``count`` mode.
        keys_G: int64, number of each key frame that can be sought, ascending.
        key_time_G: int64, time stamp to seek to for each of them.
        key_pos_G: int64, byte position of each of them, by which a seek is checked.
        span: (first byte, number of bytes) of the video within ``info.path``; None: all of it.
    """

    info: VideoInfo
    mode: Literal["pts", "count", "images"]
    rotation: int
    time_base: float
    pts_F: np.ndarray
    keys_G: np.ndarray
    key_time_G: np.ndarray
    key_pos_G: np.ndarray
    span: Span | None = None


class _Packet(NamedTuple):
    """What a packet says of itself, without its payload."""

    pts: int | None
    dts: int | None
    pos: int | None
    is_key: bool


class _Track(NamedTuple):
    """What the container says of the video track."""

    packets: list[_Packet]
    timed: bool  # whether presentation times can number the frames
    seekable: bool
    rate: float
    time_base: float
    has_audio: bool


class _Decoded(NamedTuple):
    """What the decoder says of it."""

    height: int
    width: int
    rotation: int
    first_pts: int | None
    num_frames: int
    keys: list[int]  # numbers of the key frames


def scan(path: str, span: Span | None = None) -> VideoIndex:
    """Makes the index: demuxes the file, and decodes it once where time stamps are no guide.

    Args:
        path: the file.
        span: (first byte, number of bytes) of the video within it, a shard.

    Raises:
        VideoError: the file cannot be opened, was cut short, or no frame of it decodes.
    """
    track = _demux(path, span)
    pts_F = np.sort(np.array([p.pts for p in track.packets] if track.timed else [], np.int64))
    decoded = _decode(path, span, at_most=1 if track.timed else None)
    if track.timed and decoded.first_pts != pts_F[0]:  # the decoder withholds what comes first
        pts_F, decoded = pts_F[:0], _decode(path, span)
    timed, num_frames, rate = len(pts_F) > 0, decoded.num_frames, track.rate
    keys = [p for p in track.packets if p.is_key] if track.seekable else []
    if timed:
        num_frames = len(pts_F)
        numbers = np.searchsorted(pts_F, np.array([p.pts for p in keys], np.int64)).tolist()
        if num_frames > 1:
            rate = (num_frames - 1) / float((pts_F[-1] - pts_F[0]) * track.time_base)
    else:
        numbers = decoded.keys if len(decoded.keys) == len(keys) else []
    # number -> (time to seek to, place where the packet lies); AVI and its like seek by dts
    places = {
        number: (p.pts if timed else p.dts, p.pos)
        for number, p in zip(numbers, keys, strict=False)
        if p.pos is not None and (timed or p.dts is not None)
    }
    keys_G = np.array(sorted(places), np.int64)
    places_G2 = np.array([places[n] for n in keys_G.tolist()], np.int64).reshape(-1, 2)
    size = (decoded.height, decoded.width)
    height, width = size if decoded.rotation % 2 == 0 else size[::-1]
    index = VideoIndex(
        info=VideoInfo(path, num_frames, rate, height, width, track.has_audio),
        mode="pts" if timed else "count",
        rotation=decoded.rotation,
        time_base=track.time_base,
        pts_F=pts_F,
        keys_G=keys_G,
        key_time_G=places_G2[:, 0],
        key_pos_G=places_G2[:, 1],
        span=span,
    )
    return with_times(index)


def with_times(index: VideoIndex) -> VideoIndex:
    """The index with ``info.times_F`` set where the rate varies by more than a tenth of a frame."""
    if index.mode != "pts" or len(index.pts_F) < 2:
        return index
    times_F = (index.pts_F - index.pts_F[0]) * index.time_base
    regular_F = np.arange(len(times_F)) / index.info.fps
    if np.abs(times_F - regular_F).max() <= 0.1 / index.info.fps:
        return index
    return replace(index, info=replace(index.info, times_F=times_F))


def _demux(path: str, span: Span | None) -> _Track:
    """Reads all packets of the video track that hold a frame to show, without decoding them."""
    container, stream = open_video(path, span)
    packets, is_whole = [], True
    with container:
        with suppress(av.FFmpegError):  # up to the damage; what lies behind it cannot be reached
            for packet in container.demux(stream):
                if packet.has_sidedata("encryption_info"):
                    raise VideoError(path, "open", "is encrypted")
                if packet.size and not packet.is_discard:
                    place = (packet.pts, packet.dts, packet.pos, packet.is_keyframe)
                    packets.append(_Packet(*place))
                    is_whole = not packet.is_corrupt
        formats = set(container.format.name.split(","))
        if not is_whole and "mpegts" not in formats:  # a recording of a broadcast ends anywhere
            declared = stream.frames or "more"
            reason = f"was cut short: {len(packets) - 1} of {declared} frames are whole"
            raise VideoError(path, "decode", reason)
        codec = stream.codec_context.codec.canonical_name
        reorders = stream.codec_context.has_b_frames
        return _Track(
            packets,
            bool(formats & _TIMED_FORMATS)
            and codec in _TIMED_CODECS
            and _trustworthy([p.pts for p in packets], reorders),
            codec in _SEEKING_CODECS,
            float(stream.average_rate or stream.guessed_rate or 0) or 25.0,
            float(stream.time_base or 0),
            bool(container.streams.audio),
        )


def _trustworthy(times: Sequence[int | None], reorders: bool) -> bool:
    """Whether presentation times, in order of decoding, can number the frames."""
    known = [time for time in times if time is not None]
    if not times or len(set(known)) < len(times):
        return False
    # a writer that knew nothing of reordered frames stored their order of decoding as time
    return not (reorders and len(known) > 2 and known == sorted(known))


def _decode(path: str, span: Span | None, at_most: int | None = None) -> _Decoded:
    """Decodes without converting, up to the first damage."""
    container, stream = open_video(path, span)
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
