"""Exactly the frames asked for, each decoded once.

Bit-equal to decoding from the start and keeping the wanted frames. What is saved is work: the way
to the key frame before them, groups of pictures without wanted frames, the decoding of frames that
nobody wants and nothing refers to, and the conversion of all that is not asked for.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from stfw.types import VideoError
from stfw.video.container import open_video, say
from stfw.video.images import decode_images
from stfw.video.scan import VideoIndex

# Of these, a frame that is no reference can be left out without a trace. Not of HEVC: there it
# may still be a reference for a higher temporal layer.
_SKIPPING_CODECS = {"h264"}
_INTRA = av.video.frame.PictureType.I


class _AstrayError(Exception):
    """The way taken did not lead to a wanted frame; the message says why."""


def decode(
    index: VideoIndex,
    frames: np.ndarray,
    size: tuple[int, int] | None = None,
    strict: bool = False,
) -> np.ndarray:
    """Decodes frames by number.

    Args:
        index: of the file, from ``probe``.
        frames: frame numbers in any order; repeats are decoded once and copied.
        size: (height, width) of the upright result; None keeps the size of the first frame.
        strict: an error also where the decoder could fill a hole from what is around it. Damage
            that happens to be well-formed is seen by no decoder: checksums find it.

    Returns:
        uint8 len(frames) H W 3, RGB, upright.

    Raises:
        VideoError: ``short``: a number is not among the file's frames; ``decode``: a wanted frame
            is damaged or does not come.
    """
    path, num_frames = index.info.path, index.info.num_frames
    wanted_U, back = np.unique(np.asarray(frames, np.int64).ravel(), return_inverse=True)
    outside = wanted_U[(wanted_U < 0) | (wanted_U >= num_frames)]
    if len(outside):
        reason = f"frame {outside[0]} was asked for, there are 0 to {num_frames - 1}"
        raise VideoError(path, "short", reason)
    if not len(wanted_U):
        return np.empty((0, *(size or (index.info.height, index.info.width)), 3), np.uint8)
    if index.mode == "images":
        out_UHWC = decode_images(index, wanted_U, size)
    else:
        try:
            out_UHWC = _collect(index, wanted_U, size, True, strict)
        except _AstrayError:
            try:
                out_UHWC = _collect(index, wanted_U, size, False, strict)
            except _AstrayError as error:
                raise VideoError(path, "decode", str(error)) from error
    in_order = len(back) == len(wanted_U) and (np.diff(back) > 0).all()
    return out_UHWC if in_order else out_UHWC[back]


class PyAV:
    """``decode`` as a part that a config names.

    Args:
        strict: refuse frames with damage that could be filled in.
    """

    def __init__(self, strict: bool = False) -> None:
        self.strict = strict

    def __call__(
        self, index: VideoIndex, frames: np.ndarray, size: tuple[int, int] | None = None
    ) -> np.ndarray:
        """See ``decode``."""
        return decode(index, frames, size, self.strict)


def _collect(
    index: VideoIndex,
    wanted_U: np.ndarray,
    size: tuple[int, int] | None,
    fast: bool,
    strict: bool,
) -> np.ndarray:
    """Fills one array with the wanted frames (ascending, unique)."""
    height, width = size or (index.info.height, index.info.width)
    out_UHWC = np.empty((len(wanted_U), height, width, 3), np.uint8)
    stored_height, stored_width = (width, height) if index.rotation % 2 else (height, width)
    reformatter = VideoReformatter()  # one, or swscale is set up anew for every frame
    container, stream = open_video(index.info.path, index.span, strict)
    missing = set(range(len(wanted_U)))
    with container:
        try:
            for place, frame in _walk(index, wanted_U, container, stream, fast):
                if frame.is_corrupt:
                    raise _AstrayError(f"frame {wanted_U[place]} is damaged")
                picture = reformatter.reformat(
                    frame, stored_width, stored_height, "rgb24", interpolation="BILINEAR", threads=1
                )
                out_UHWC[place] = np.rot90(_pixels(picture), index.rotation)
                missing.discard(place)
        except av.FFmpegError as error:
            number = wanted_U[min(missing)]
            raise _AstrayError(f"frame {number} does not decode ({say(error)})") from error
    if missing:
        raise _AstrayError(
            f"frame {wanted_U[min(missing)]} of {index.info.num_frames} does not decode: "
            "the file is damaged or was cut short"
        )
    return out_UHWC


def _pixels(picture: Any) -> np.ndarray:
    """The pixels of an rgb24 frame without its line padding: uint8 H W 3."""
    plane = picture.planes[0]
    rows = np.frombuffer(plane, np.uint8).reshape(picture.height, plane.line_size)
    return rows[:, : picture.width * 3].reshape(picture.height, picture.width, 3)


def _walk(
    index: VideoIndex, wanted_U: np.ndarray, container: Any, stream: Any, fast: bool
) -> Iterator[tuple[int, Any]]:
    """The wanted frames with their places in ``wanted_U``.

    Fast: from key frame to key frame, as long as frames come where the index says. Otherwise: all
    of the file, from the start.
    """
    stamps = (index.pts_F[wanted_U] if index.mode == "pts" else wanted_U).tolist()
    for begin, end, group in _runs(index, wanted_U) if fast else [(0, len(wanted_U), 0)]:
        places = {stamps[place]: place for place in range(begin, end)}
        for stamp, frame in _outputs(
            index, container, stream, group, set(places) if fast else None
        ):
            if stamp in places:
                yield places.pop(stamp), frame
                if not places:
                    break
            elif fast and (stamp is None or stamp > stamps[end - 1]):
                return


def _runs(index: VideoIndex, wanted_U: np.ndarray) -> Iterator[tuple[int, int, int]]:
    """Stretches to be read through: (begin, end) in ``wanted_U`` and the key frame before them.

    Neighbouring groups of pictures make one stretch; groups without a wanted frame part them.
    """
    group_U = np.searchsorted(index.keys_G, wanted_U, side="right") - 1
    begins = np.flatnonzero(np.diff(group_U, prepend=-3) > 1).tolist()
    for begin, end in zip(begins, [*begins[1:], len(wanted_U)], strict=True):
        yield begin, end, int(group_U[begin])


def _outputs(
    index: VideoIndex, container: Any, stream: Any, group: int, asked: set[int] | None
) -> Iterator[tuple[int | None, Any]]:
    """What the decoder gives from a key frame on, each with its stamp: its time, or its number.

    Args:
        asked: stamps of the wanted frames; those that nobody wants may be left out. None: nothing
            is left out.
    """
    decoder, number = stream.codec_context, 0
    if group > 0:
        container.seek(int(index.key_time_G[group]), stream=stream)
    packets = container.demux(stream)
    if group > 0:
        key = next(packets)
        number = _landed(index, key, group)
        packets = itertools.chain([key], packets)
    if index.mode == "pts":
        return _timed(decoder, packets, group > 0, asked)
    return _counted(decoder, packets, group > 0, number, min(asked) if asked else number)


def _timed(
    decoder: Any, packets: Iterable[Any], leading: bool, asked: set[int] | None
) -> Iterator[tuple[int | None, Any]]:
    """Frames with their times; what is not asked for is left out where that leaves no trace."""
    skips = asked is not None and decoder.name in _SKIPPING_CODECS
    left = len(asked) if asked is not None else -1
    skipping = False
    for packet in packets:
        is_asked = asked is None or packet.pts in asked
        if skips and packet.size and skipping is is_asked:  # setting it costs, so only on change
            skipping = not is_asked
            decoder.skip_frame = "NONREF" if skipping else "DEFAULT"
        frames = decoder.decode(packet)
        left -= is_asked
        if left == 0:  # no later packet is needed to show what the decoder holds back
            frames += decoder.decode(None)
        if leading and frames:
            frames, leading = _from_key(frames)
        for frame in frames:
            yield frame.pts, frame
        if left == 0:
            return


def _counted(
    decoder: Any, packets: Iterable[Any], leading: bool, number: int, first: int
) -> Iterator[tuple[int, Any]]:
    """Frames with their numbers, from ``first`` on; ``number`` is that of the next one to come."""
    for packet in packets:
        frames = decoder.decode(packet)
        if leading and frames:
            frames, leading = _from_key(frames)
        if number + len(frames) <= first:
            number += len(frames)
            continue
        for frame in frames:
            yield number, frame
            number += 1


def _from_key(frames: list[Any]) -> tuple[list[Any], bool]:
    """Frames from the first key frame on, and whether it is still to come.

    What is shown before the key frame leans on what was not read.
    """
    for place, frame in enumerate(frames):
        if frame.key_frame:
            if frame.pict_type != _INTRA:
                raise _AstrayError("pictures are refreshed bit by bit, without whole key frames")
            return frames[place:], False
    return [], True


def _landed(index: VideoIndex, packet: Any, group: int) -> int:
    """Number of the key frame that a seek arrived at."""
    position = -1 if packet.pos is None else packet.pos
    found = np.flatnonzero(index.key_pos_G[: group + 1] == position)
    if not len(found):
        raise _AstrayError(f"no key frame where the index has frame {index.keys_G[group]}")
    return int(index.keys_G[found[-1]])
