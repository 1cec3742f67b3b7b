"""The sound of some seconds of a video, exactly those."""

from __future__ import annotations

import contextlib
import functools
import math
import os
from typing import Any, NamedTuple

import av
import numpy as np

from stfw.types import VideoError
from stfw.video.container import MAX_PIXELS, media_source, say

# Decoders of sound need some packets before the first one to give what they would from the start
# (AAC one, MP3's bit reservoir up to nine frames); half a second is more than all of them.
_LEAD_SEC = 0.5
_MARGIN_SEC = 0.05  # sound on both sides for the resampling filter, a few milliseconds long
_GAP_SEC = 0.1  # time stamps this far from where sound follows on sound mean a real gap


def read_audio(
    path: str,
    start_sec: float,
    end_sec: float,
    sample_rate: int = 16000,
    span: tuple[int, int] | None = None,
) -> np.ndarray | None:
    """Mono sound of ``[start_sec, end_sec)``, counted from the first frame of the video.

    The mean of the channels. Where the sound begins later or ends earlier there is silence. A part
    has the samples that the whole has there, but for the noise that AAC's decoder draws anew; and
    where stamps are coarser than samples and frames are of several lengths (Vorbis in WebM), it
    may be shifted by a stamp or two, of 1 ms.

    Args:
        path: the file.
        start_sec: of the asked part.
        end_sec: of the asked part.
        sample_rate: of the result, in Hz.
        span: (first byte, number of bytes) of the video within ``path``.

    Returns:
        float32 round((end_sec - start_sec) * sample_rate), -1..1; None: there is no audio track.

    Raises:
        VideoError: the file or its sound cannot be read.
    """
    begin, count = round(start_sec * sample_rate), round((end_sec - start_sec) * sample_rate)
    clock = _clock(path, span)
    if clock is None:
        return None
    for seeks in [True, False] if start_sec > _LEAD_SEC else [False]:
        with _open(path, span) as container:
            sound_L = _collect(container, path, clock, begin, max(0, count), sample_rate, seeks)
        if sound_L is not None:
            return sound_L
    raise AssertionError("decoding from the start always gives a result")


class _Clock(NamedTuple):
    """How the time stamps of a file's sound number its samples, from the first picture on.

    Read off the second frame: the first is often trimmed, and its stamp rounded twice.
    """

    zero: float  # seconds on the file's clock at which the first picture is shown
    stamp: int  # of the second frame of sound
    place: int  # of its first sample, counted in the file's samples from zero


def _collect(
    container: Any,
    path: str,
    clock: _Clock,
    begin: int,
    count: int,
    sample_rate: int,
    seeks: bool,
) -> np.ndarray | None:
    """Samples ``begin`` to ``begin + count`` of the result's clock. None: a seek went too far."""
    stream = container.streams.audio[0]
    stream.thread_type = "NONE"
    if seeks:
        wanted = clock.zero + begin / sample_rate - _MARGIN_SEC - _LEAD_SEC
        try:
            container.seek(math.floor(wanted / stream.time_base), stream=stream)
        except av.FFmpegError:
            return None
    block_L, rate = np.zeros(0, np.float32), sample_rate  # what is resampled, and its rate
    low, num_put = 0, 0  # the block's first sample, counted in the file's; how many it was given
    unit = 0.0  # of time stamps, in samples
    place: int | None = None  # of the next sample to come
    is_trimmed = seeks  # as at the start of the file, the first frame after a seek may lack a part
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except av.FFmpegError as error:
            if seeks and place is None:  # a seek may land amid what belongs together
                continue
            reason = f"its sound does not decode ({say(error)})"
            raise VideoError(path, "decode", reason) from error
        for frame in frames:
            if not frame.samples:
                continue
            if place is None:
                if frame.pts is None or is_trimmed:
                    is_trimmed = False
                    continue
                rate = frame.sample_rate
                low, high = _block(begin, count, rate, sample_rate)
                block_L = np.zeros(high - low, np.float32)
                unit = float(stream.time_base * rate)
                place = _place(frame, unit, clock) if seeks else clock.place - frame.samples
                if seeks and place > low:
                    return None
            elif frame.sample_rate != rate:
                raise VideoError(path, "decode", "its sound changes its sample rate midway")
            elif frame.pts is not None:
                stated = _place(frame, unit, clock)
                place = stated if abs(stated - place) > _GAP_SEC * rate else place
            num_put += _put(frame, block_L, place - low)
            place += frame.samples
        if place is not None and place >= low + len(block_L):
            break
    if seeks and place is None:
        return None
    if not num_put:
        return np.zeros(count, np.float32)
    first = begin - low * sample_rate // rate
    return _resample(block_L, rate, sample_rate)[first : first + count].copy()


def _block(begin: int, count: int, rate: int, sample_rate: int) -> tuple[int, int]:
    """What to resample, in samples of the file: the asked part and its margins.

    It begins where a sample of the file and one of the result coincide, counted from zero, so that
    the result's samples lie at the same moments whatever part is asked for.
    """
    common = math.gcd(rate, sample_rate)
    step, step_in_file = sample_rate // common, rate // common
    margin = math.ceil(_MARGIN_SEC * sample_rate)
    first, last = (begin - margin) // step, -((begin + count + margin) // -step)
    return first * step_in_file, last * step_in_file


def _place(frame: Any, unit: float, clock: _Clock) -> int:
    """Number of a frame's first sample, counted from the first picture.

    Time stamps are rounded to the file's units. Most codecs have frames of equal length: then a
    stamp within one unit of a multiple of it means that multiple.
    """
    stated = (frame.pts - clock.stamp) * unit
    regular = round(stated / frame.samples) * frame.samples
    return clock.place + (regular if abs(regular - stated) <= unit else round(stated))


def _put(frame: Any, block_L: np.ndarray, place: int) -> int:
    """Copies what of a frame falls into the block; returns how many samples that is."""
    low, high = max(0, place), min(len(block_L), place + frame.samples)
    if low >= high:
        return 0
    block_L[low:high] = _mono(frame)[low - place : high - place]
    return high - low


def _mono(frame: Any) -> np.ndarray:
    """The mean of a frame's channels: float32, -1..1."""
    x_CL = frame.to_ndarray()
    if not frame.format.is_planar:
        x_CL = x_CL.reshape(-1, frame.layout.nb_channels).T
    if x_CL.dtype == np.uint8:
        x_CL = (x_CL.astype(np.float32) - 128) / 128
    elif x_CL.dtype.kind == "i":
        x_CL = x_CL.astype(np.float32) / -float(np.iinfo(x_CL.dtype).min)
    return x_CL.sum(axis=0, dtype=np.float32) / len(x_CL)


def _resample(sound_L: np.ndarray, rate: int, sample_rate: int) -> np.ndarray:
    if rate == sample_rate:
        return sound_L
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound_L[None]), "fltp", "mono")
    frame.sample_rate = rate
    resampler = av.AudioResampler(format="fltp", layout="mono", rate=sample_rate)
    parts = [*resampler.resample(frame), *resampler.resample(None)]
    return np.concatenate([part.to_ndarray()[0] for part in parts])


def _open(path: str, span: tuple[int, int] | None) -> Any:
    source, protocols = media_source(path, span)
    try:  # as in ``open_video``, which asks for pictures
        options = {"protocol_whitelist": protocols, "max_pixels": str(MAX_PIXELS)}
        return av.open(source, options=options)
    except (av.FFmpegError, OSError, ValueError) as error:
        if not span and not os.path.exists(path):
            raise VideoError(path, "missing", "there is no such file") from error
        raise VideoError(path, "open", f"not a video that can be read ({say(error)})") from error


@functools.lru_cache(maxsize=8192)
def _clock(path: str, span: tuple[int, int] | None) -> _Clock | None:
    """The clock of a file; None: it has no sound."""
    with _open(path, span) as container:
        if not container.streams.audio:
            return None
        zero = _first_picture_sec(container)
    with _open(path, span) as container:
        stream = container.streams.audio[0]
        stream.thread_type = "NONE"
        frames: list[Any] = []
        with contextlib.suppress(av.FFmpegError):  # told where the sound is read
            for frame in container.decode(stream):
                if frame.pts is not None and frame.samples:
                    frames.append(frame)
                if len(frames) == 2:
                    break
        if not frames:
            return _Clock(zero, 0, 0)
        first = frames[0]
        place = round((first.time - zero) * first.sample_rate) + first.samples
        return _Clock(zero, frames[-1].pts, place)  # of one frame alone the stamp is not used


def _first_picture_sec(container: Any) -> float:
    """Seconds on the file's clock at which frame 0, the decoder's first, is shown.

    Not the video track's own start: that counts pictures which the decoder withholds because they
    lean on others before the file. What cannot be decoded is told where pictures are read.
    """
    cover = av.stream.Disposition.attached_pic
    for stream in container.streams.video:
        if stream.disposition & cover or stream.codec_context is None:
            continue
        stream.thread_type = "NONE"
        with contextlib.suppress(av.FFmpegError, StopIteration):
            frame = next(container.decode(stream))
            if frame.time is not None:
                return float(frame.time)
        return float((stream.start_time or 0) * (stream.time_base or 0))
    return 0.0
