"""Exactly the frames asked for, each decoded once.

Bit-equal to decoding from the start and keeping the wanted frames; what is saved is work: the seek
to the key frame before them, whole groups of pictures without wanted frames, and non-reference
frames that nobody wants.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from stfw.types import VideoError
from stfw.video.probe import VideoIndex, open_video

# codecs whose decoder leaves out non-reference frames when told to, packet by packet
_SKIPPING_CODECS = ("h264", "hevc")
_BILINEAR = "BILINEAR"


class _Astray(Exception):
    """A seek did not land where the index says, or time stamps are not what it says."""


def decode(
    index: VideoIndex, frames: np.ndarray, size: tuple[int, int] | None = None
) -> np.ndarray:
    """Decodes frames by number.

    Args:
        index: of the file, from ``probe``.
        frames: frame numbers in any order; repeats are copied.
        size: (height, width) of the upright result; None keeps the native size.

    Returns:
        uint8 len(frames) H W 3, RGB, upright.

    Raises:
        VideoError: a frame is not in the file or does not decode.
    """
    path, count = index.info.path, index.info.num_frames
    wanted, back = np.unique(np.asarray(frames, np.int64), return_inverse=True)
    if not len(wanted):
        height, width = size or (index.info.height, index.info.width)
        return np.empty((0, height, width, 3), np.uint8)
    if wanted[0] < 0 or wanted[-1] >= count:
        raise VideoError(path, "short", f"frame {wanted[-1]} was asked for, there are {count}")
    try:
        out_UHWC = _collect(index, wanted, size, seek=True)
    except _Astray:
        out_UHWC = _collect(index, wanted, size, seek=False)
    if len(wanted) == len(back) and (np.diff(back) > 0).all():
        return out_UHWC
    return out_UHWC[back]


def _collect(
    index: VideoIndex, wanted: np.ndarray, size: tuple[int, int] | None, seek: bool
) -> np.ndarray:
    """Fills one array with the wanted frames (sorted, unique)."""
    path = index.info.path
    height, width = size or (index.info.height, index.info.width)
    out_UHWC = np.empty((len(wanted), height, width, 3), np.uint8)
    stored = (height, width) if index.rotation % 2 == 0 else (width, height)
    reformatter = VideoReformatter()  # one, or swscale is set up anew for every frame
    container, stream = open_video(path)
    place = 0
    try:
        by_time = seek and index.mode == "pts"
        found = (_by_time if by_time else _by_count)(index, wanted, container, stream, seek)
        for frame in found:
            picture = reformatter.reformat(
                frame, stored[1], stored[0], "rgb24", interpolation=_BILINEAR, threads=1
            )
            out_UHWC[place] = np.rot90(_plane(picture), index.rotation)
            place += 1
            if place == len(wanted):
                break
    except av.FFmpegError as error:
        if seek:
            raise _Astray from error
        number = wanted[place] if place < len(wanted) else wanted[-1]
        raise VideoError(path, "decode", f"frame {number} does not decode ({error})") from error
    finally:
        container.close()
    if place < len(wanted):
        if seek:
            raise _Astray
        raise VideoError(
            path,
            "decode",
            f"frame {wanted[place]} does not decode: the file is damaged or cut short "
            f"({index.info.num_frames} frames were expected)",
        )
    return out_UHWC


def _plane(picture: Any) -> np.ndarray:
    """The pixels of an rgb24 frame without its line padding: uint8 H W 3."""
    plane = picture.planes[0]
    rows = np.frombuffer(plane, np.uint8).reshape(picture.height, plane.line_size)
    return rows[:, : picture.width * 3].reshape(picture.height, picture.width, 3)


def _by_time(
    index: VideoIndex, wanted: np.ndarray, container: Any, stream: Any, seek: bool
) -> Iterator[Any]:
    """Wanted frames of a file with trustworthy time stamps, in order of display."""
    times = index.pts_F[wanted]
    group_U = np.searchsorted(index.keys_G, wanted, side="right") - 1  # the key frame before it
    asked, decoder = set(times.tolist()), stream.codec_context
    skips = decoder.name in _SKIPPING_CODECS
    place, begin = 0, 0
    while begin < len(wanted):
        # consecutive groups of pictures are read through; a gap is jumped over
        end = begin + 1
        while end < len(wanted) and group_U[end] <= group_U[end - 1] + 1:
            end += 1
        key = int(group_U[begin])
        if key > 0:
            container.seek(int(index.key_dts_G[key]), stream=stream)
        first_packet = True
        for packet in container.demux(stream):
            if first_packet and key > 0 and packet.pos != index.key_pos_G[key]:
                raise _Astray
            first_packet = False
            if skips and packet.size:
                decoder.skip_frame = "DEFAULT" if packet.pts in asked else "NONREF"
            for frame in packet.decode():
                if frame.pts is None or (place < end and frame.pts > times[place]):
                    raise _Astray
                if place < end and frame.pts == times[place]:
                    yield frame
                    place += 1
            if place == end:
                break
        if place < end:
            return
        begin = end


def _by_count(
    index: VideoIndex, wanted: np.ndarray, container: Any, stream: Any, seek: bool
) -> Iterator[Any]:
    """Wanted frames by counting the decoder's output, from the start or a key frame."""
    number, waiting_for_key = 0, False
    group = int(np.searchsorted(index.keys_G, wanted[0], side="right")) - 1
    if seek and group > 0:
        container.seek(int(index.key_dts_G[group]), stream=stream)
        number, waiting_for_key = int(index.keys_G[group]), True
    asked = set(wanted.tolist())
    first_packet = True
    for packet in container.demux(stream):
        if first_packet and waiting_for_key and packet.pos != index.key_pos_G[group]:
            raise _Astray
        first_packet = False
        for frame in packet.decode():
            if waiting_for_key and not frame.key_frame:
                continue  # it leads the key frame and leans on what was skipped
            waiting_for_key = False
            if number in asked:
                yield frame
            number += 1
