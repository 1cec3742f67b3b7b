"""Makes a video that decodes fast: small, a key frame every few frames, nothing hard to undo.

H.264 in mp4, without B-frames, arithmetic coding and deblocking (``tune=fastdecode``). Every frame
of the index becomes one frame, at the same time, so that frame numbers, labelled seconds and the
sound stay where they were.
"""

from __future__ import annotations

import heapq
import itertools
import math
import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.frame import PictureType
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

from stfw.types import VideoError
from stfw.video.container import open_video, say
from stfw.video.images import decode_images
from stfw.video.scan import VideoIndex
from stfw.video.sound_track import SoundTrack

PRESET = "veryfast"  # of x264; slower ones save some space, and decode no faster
_FINE = 100  # time stamps per frame, where the rate is constant: sound may begin between two
_Stamped = tuple[int, Any]  # a time stamp and a frame


def transcode(
    index: VideoIndex,
    target: Path,
    size: tuple[int, int],
    gop: int = 12,
    crf: int = 18,
    fps: float | None = None,
) -> int:
    """Writes the video as mp4, whole or not at all; the same input gives the same bytes.

    Sound is copied where mp4 holds its codec, and becomes AAC elsewhere.

    Args:
        index: of the source, from ``probe``.
        target: the file.
        size: (height, width) of the upright result, even.
        gop: frames from one key frame to the next.
        crf: quality of x264, 0..51; 18 is hard to tell from the source.
        fps: a constant rate; each moment shows the nearest source frame. None: frames and times as
            they are.

    Returns:
        Frames written.

    Raises:
        VideoError: a frame is damaged or does not come; the sound cannot be read.
    """
    path = index.info.path
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        with SoundTrack(index) as sound:
            # in this unit mp4 keeps the times at which pictures and sound begin
            common = math.lcm(_unit(index, fps).denominator, sound.sample_rate)
            timescale = common if common < 2**31 else 90000
            # the table of frames goes to the front, where a reader from afar begins
            options = {"movflags": "+faststart", "movie_timescale": str(timescale)}
            with av.open(str(part), "w", format="mp4", options=options) as out:
                num_frames = _write(index, out, sound, size, gop, crf, fps)
        os.replace(part, target)
    except av.FFmpegError as error:
        raise VideoError(path, "decode", f"cannot be transcoded ({say(error)})") from error
    finally:
        part.unlink(missing_ok=True)
    return num_frames


def _unit(index: VideoIndex, fps: float | None) -> Fraction:
    """Seconds per time stamp of the result."""
    if fps is None and index.mode == "pts":
        return Fraction(index.time_base).limit_denominator(10_000_000)
    return 1 / (_rate(fps or index.info.fps) * _FINE)


def _rate(fps: float) -> Fraction:
    return Fraction(fps).limit_denominator(1001)  # 30000/1001 and its like stay exact


def _write(
    index: VideoIndex,
    out: Any,
    sound: SoundTrack,
    size: tuple[int, int],
    gop: int,
    crf: int,
    fps: float | None,
) -> int:
    unit, rate = _unit(index, fps), _rate(fps or index.info.fps)
    frames = _timed(index) if index.mode == "pts" else _counted(index)
    if fps is not None:
        frames = _at_rate(frames, _unit(index, None), rate)
    upright = _Upright(index.rotation, size)
    shown = ((stamp, upright(frame)) for stamp, frame in frames)
    first = next(shown, None)
    if first is None:
        raise VideoError(index.info.path, "decode", "no frame decodes")
    video = _add_video(out, first[1], rate, unit, gop, crf)
    pictures = _encoded(video, itertools.chain([first], shown), unit)
    sound.add_to(out)
    num_frames = 0
    for packet in heapq.merge(pictures, sound.packets(), key=_second):
        num_frames += packet.stream is video
        out.mux(packet)
    return num_frames


def _second(packet: Any) -> float:
    return float((packet.pts if packet.dts is None else packet.dts) * packet.time_base)


def _add_video(out: Any, first: Any, rate: Fraction, unit: Fraction, gop: int, crf: int) -> Any:
    options = {
        "preset": PRESET,
        "tune": "fastdecode",
        "crf": str(crf),
        "bf": "0",
        "g": str(gop),
        "keyint_min": str(gop),
        "sc_threshold": "0",  # key frames at equal distances, whatever the pictures show
        "threads": "1",  # files are many; and the same bytes on every machine
    }
    video = out.add_stream("libx264", rate=rate, options=options)
    video.height, video.width, video.pix_fmt = first.height, first.width, "yuv420p"
    video.time_base = unit
    encoder = video.codec_context
    encoder.time_base = unit
    # what these say decides which colours a decoder makes of the same numbers
    encoder.color_range, encoder.colorspace = first.color_range, first.colorspace
    encoder.color_trc, encoder.color_primaries = first.color_trc, first.color_primaries
    return video


def _encoded(video: Any, frames: Iterator[_Stamped], unit: Fraction) -> Iterator[Any]:
    for stamp, frame in frames:
        frame.pts, frame.time_base = stamp, unit
        frame.pict_type = PictureType.NONE  # else the source's key frames stay key frames
        yield from video.encode(frame)
    yield from video.encode(None)


class _Upright:
    """Resizes frames, makes them yuv420p and turns them upright."""

    def __init__(self, rotation: int, size: tuple[int, int]) -> None:
        self.rotation = rotation
        self.height, self.width = size if rotation % 2 == 0 else size[::-1]
        self.reformatter = VideoReformatter()

    def __call__(self, frame: Any) -> Any:
        colours: dict[str, Any] = {}
        if frame.format.is_rgb:
            colours = {"dst_colorspace": Colorspace.ITU601, "dst_color_range": ColorRange.MPEG}
        shown = self.reformatter.reformat(
            frame,
            self.width,
            self.height,
            "yuv420p",
            interpolation="BILINEAR",
            threads=1,
            **colours,
        )
        if not self.rotation:
            return shown
        turned = av.VideoFrame.from_ndarray(_turned(shown.to_ndarray(), self.rotation), "yuv420p")
        turned.color_range, turned.colorspace = shown.color_range, shown.colorspace
        turned.color_trc, turned.color_primaries = shown.color_trc, shown.color_primaries
        return turned


def _turned(planes: np.ndarray, rotation: int) -> np.ndarray:
    """Quarter turns, counterclockwise, of the planes of yuv420p: uint8 H * 3 / 2, W."""
    height, width = planes.shape[0] * 2 // 3, planes.shape[1]
    luma = np.rot90(planes[:height], rotation)
    chroma_2HW = planes[height:].reshape(2, height // 2, width // 2)
    chroma_2HW = np.rot90(chroma_2HW, rotation, axes=(1, 2))
    return np.concatenate([luma, chroma_2HW.reshape(-1, luma.shape[1])])


def _timed(index: VideoIndex) -> Iterator[_Stamped]:
    """Frames with the time stamps of the file."""
    for due, (number, frame) in zip(index.pts_F.tolist(), _decoded(index), strict=True):
        if frame.pts != due:
            raise VideoError(index.info.path, "decode", f"frame {number} does not come")
        yield due, frame


def _counted(index: VideoIndex) -> Iterator[_Stamped]:
    """Frames at a constant rate, from the time on at which the file shows the first."""
    unit, first = _unit(index, None), 0
    for number, frame in _decoded(index):
        if number == 0 and frame.time is not None:
            first = round(Fraction(frame.time) / unit)
        yield first + number * _FINE, frame


def _at_rate(frames: Iterator[_Stamped], unit: Fraction, rate: Fraction) -> Iterator[_Stamped]:
    """The frame nearest to each moment of a constant rate, stamped ``_FINE`` to a frame."""
    number, first = 0, None
    second = Fraction(0)
    before: Any = None
    for stamp, frame in frames:
        if first is None:
            first = stamp * unit
        now = stamp * unit - first
        while before is not None and number / rate < (second + now) / 2:
            yield round(first * rate * _FINE) + number * _FINE, before
            number += 1
        second, before = now, frame
    while first is not None and number / rate <= second + 1 / (2 * rate):
        yield round(first * rate * _FINE) + number * _FINE, before
        number += 1


def _decoded(index: VideoIndex) -> Iterator[tuple[int, Any]]:
    """All frames of the index in order, with their numbers, as the decoder gives them."""
    path, num_frames = index.info.path, index.info.num_frames
    if index.mode == "images":
        for number in range(num_frames):
            picture_HWC = decode_images(index, np.array([number]), None)[0]
            yield number, av.VideoFrame.from_ndarray(picture_HWC, "rgb24")
        return
    container, stream = open_video(path, index.span)
    number = 0
    with container:
        try:
            for frame in itertools.islice(container.decode(stream), num_frames):
                if frame.is_corrupt:
                    raise VideoError(path, "decode", f"frame {number} is damaged")
                yield number, frame
                number += 1
        except av.FFmpegError as error:
            reason = f"frame {number} or one soon after it does not decode ({say(error)})"
            raise VideoError(path, "decode", reason) from error
    if number < num_frames:
        raise VideoError(path, "decode", f"{number} of {num_frames} frames decode")
