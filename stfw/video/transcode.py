"""Makes a video that decodes fast: small, a key frame every few frames, nothing hard to undo.

H.264 in mp4, without B-frames, arithmetic coding and deblocking (``tune=fastdecode``). Every frame
of the index becomes one frame, at the same time, so that frame numbers, labelled seconds and the
sound stay where they were.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

from stfw.types import VideoError
from stfw.video.container import open_video, say
from stfw.video.images import decode_images
from stfw.video.scan import VideoIndex

PRESET = "veryfast"  # of x264; slower ones save some space, and decode no faster
_COPIED_AUDIO = {"aac", "ac3", "alac", "eac3", "flac", "mp3", "opus"}  # what mp4 holds
_AAC_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000)
_FINE = 100  # time stamps per frame, where the rate is constant: sound may begin between two
_Timed = tuple[int, Any]  # a time stamp and a frame


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
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        with av.open(str(part), "w", format="mp4", options={"movflags": "+faststart"}) as out:
            num_frames = _write(index, out, size, gop, crf, fps)
        os.replace(part, target)
    except av.FFmpegError as error:
        raise VideoError(index.info.path, "decode", f"cannot be transcoded ({say(error)})") from error
    finally:
        part.unlink(missing_ok=True)
    return num_frames


def _write(
    index: VideoIndex, out: Any, size: tuple[int, int], gop: int, crf: int, fps: float | None
) -> int:
    unit, frames = _timed(index) if index.mode == "pts" else _counted(index)
    if fps is not None:
        unit, frames = _at_rate(frames, unit, Fraction(fps).limit_denominator(1001))
    upright = _Upright(index.rotation, size)
    video, count, last = None, 0, 0
    sound = _Sound(index, out)
    for stamp, frame in frames:
        shown = upright(frame)
        if video is None:
            video = _video_stream(out, shown, Fraction(fps or index.info.fps), unit, gop, crf)
            sound.begin()  # tracks must be known before the first packet
        shown.pts, shown.time_base, last = stamp, unit, stamp
        out.mux(video.encode(shown))
        sound.until(float(stamp * unit))
        count += 1
    if video is None:
        raise VideoError(index.info.path, "decode", "no frame decodes")
    out.mux(video.encode(None))
    sound.until(None)
    return count


def _video_stream(
    out: Any, first: Any, rate: Fraction, unit: Fraction, gop: int, crf: int
) -> Any:
    options = {
        "preset": PRESET,
        "tune": "fastdecode",
        "crf": str(crf),
        "bf": "0",
        "g": str(gop),
        "keyint_min": str(gop),
        "sc_threshold": "0",  # cuts do not move the key frames
        "threads": "1",  # several files at once; and the same bytes on every machine
    }
    video = out.add_stream("libx264", rate=rate.limit_denominator(1001), options=options)
    video.height, video.width, video.pix_fmt = first.height, first.width, "yuv420p"
    encoder = video.codec_context
    encoder.time_base = video.time_base = unit
    # what these say decides which colours a decoder makes of the same numbers
    encoder.color_range, encoder.colorspace = first.color_range, first.colorspace
    encoder.color_trc, encoder.color_primaries = first.color_trc, first.color_primaries
    return video


class _Upright:
    """Resizes frames and turns them upright."""

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
    """Quarter turns, counterclockwise, of the three planes of yuv420p: uint8 H * 3 / 2, W."""
    height, width = planes.shape[0] * 2 // 3, planes.shape[1]
    luma = np.rot90(planes[:height], rotation)
    chroma = planes[height:].reshape(2, height // 2, width // 2)
    chroma = np.rot90(chroma, rotation, axes=(1, 2))
    return np.concatenate([luma, chroma.reshape(-1, luma.shape[1])])


def _timed(index: VideoIndex) -> tuple[Fraction, Iterator[_Timed]]:
    """Frames with the time stamps of the file, and the unit of these."""
    unit = Fraction(index.time_base).limit_denominator(10_000_000)

    def frames() -> Iterator[_Timed]:
        due = iter(index.pts_F.tolist())
        for number, frame in enumerate(_decoded(index)):
            if frame.pts != next(due, None):
                raise VideoError(index.info.path, "decode", f"frame {number} does not come")
            yield frame.pts, frame

    return unit, frames()


def _counted(index: VideoIndex) -> tuple[Fraction, Iterator[_Timed]]:
    """Frames at a constant rate, from the time on at which the file shows the first."""
    rate = Fraction(index.info.fps).limit_denominator(1001)
    unit = 1 / (rate * _FINE)

    def frames() -> Iterator[_Timed]:
        first = 0
        for number, frame in enumerate(_decoded(index)):
            if number == 0 and frame.time is not None:
                first = round(frame.time / unit)
            yield first + number * _FINE, frame

    return unit, frames()


def _at_rate(
    frames: Iterator[_Timed], unit: Fraction, rate: Fraction
) -> tuple[Fraction, Iterator[_Timed]]:
    """The frame that is nearest to each moment of a constant rate."""
    fine = 1 / (rate * _FINE)

    def chosen() -> Iterator[_Timed]:
        first: int | None = None
        number, before = 0, None
        for stamp, frame in frames:
            first = stamp if first is None else first
            offset = round(first * unit / fine)
            # moments nearer to the frame before belong to it
            while before is not None and (
                number / rate < (Fraction(before[0] + stamp, 2) - first) * unit
            ):
                yield offset + number * _FINE, before[1]
                number += 1
            before = (stamp, frame)
        if before is not None and first is not None:
            while number == 0 or number / rate <= (before[0] - first) * unit:
                yield round(first * unit / fine) + number * _FINE, before[1]
                number += 1

    return fine, chosen()


def _decoded(index: VideoIndex) -> Iterator[Any]:
    """All frames of the index in order, as the decoder gives them."""
    path, num_frames = index.info.path, index.info.num_frames
    if index.mode == "images":
        for number in range(num_frames):
            picture = decode_images(index, np.array([number]), None)[0]
            yield av.VideoFrame.from_ndarray(picture, "rgb24")
        return
    container, stream = open_video(path, index.span)
    number = 0
    with container:
        try:
            for frame in container.decode(stream):
                if number == num_frames:  # the index ends where damage begins
                    return
                if frame.is_corrupt:
                    raise VideoError(path, "decode", f"frame {number} is damaged")
                yield frame
                number += 1
        except av.FFmpegError as error:
            reason = f"frame {number} does not decode ({say(error)})"
            raise VideoError(path, "decode", reason) from error
    if number < num_frames:
        raise VideoError(path, "decode", f"{number} of {num_frames} frames decode")


class _Sound:
    """The audio track, brought along as the pictures go; where there is none it does nothing."""

    def __init__(self, index: VideoIndex, out: Any) -> None:
        self.index, self.out = index, out
        self.packets: Iterator[Any] = iter(())
        self.held: list[Any] = []
        self.codec: Any = None

    def begin(self) -> None:
        """Adds the track."""
        if not self.index.info.has_audio:
            return
        self.container, _ = open_video(self.index.info.path, self.index.span)
        source = self.container.streams.audio[0]
        self.packets = self.container.demux(source)
        self.track = None
