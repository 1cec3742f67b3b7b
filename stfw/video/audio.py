"""The sound of some seconds of a video, exactly those."""

from __future__ import annotations

import io
import os
from typing import Any

import av
import numpy as np

from stfw.types import VideoError
from stfw.video.container import say

# Decoders of sound need some packets before the first one to give what they would from the start
# (AAC one, MP3's bit reservoir up to nine frames); half a second is more than all of them.
_LEAD_SEC = 0.5


def read_audio(
    path: str,
    start_sec: float,
    end_sec: float,
    sample_rate: int = 16000,
    span: tuple[int, int] | None = None,
) -> np.ndarray | None:
    """Mono sound of ``[start_sec, end_sec)``, counted from the first frame of the video.

    Where the sound begins later or ends earlier there is silence.

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
    with _open(path, span) as container:
        if not container.streams.audio:
            return None
        container.streams.audio[0].thread_type = "NONE"
        begin = _video_begin(container) + start_sec  # on the file's own clock
        num_samples = round((end_sec - start_sec) * sample_rate)
        sound_L = None
        if begin > _LEAD_SEC:
            container.seek(round((begin - _LEAD_SEC) * av.time_base))
            sound_L = _collect(container, path, begin, num_samples, sample_rate, sought=True)
        if sound_L is None:
            if begin > _LEAD_SEC:  # the seek went too far: from the start
                container.seek(0)
            sound_L = _collect(container, path, begin, num_samples, sample_rate, sought=False)
        return sound_L


def _collect(
    container: Any, path: str, begin: float, num_samples: int, sample_rate: int, sought: bool
) -> np.ndarray | None:
    """Decodes from where the container stands. None: it stands behind ``begin`` after a seek."""
    sound_L = np.zeros(num_samples, np.float32)
    resampler = av.AudioResampler(format="fltp", layout="mono", rate=sample_rate)
    place: int | None = None  # in the result, of the next sample to come
    for packet in container.demux(container.streams.audio[0]):
        try:
            frames = packet.decode()
        except av.FFmpegError as error:
            if sought and place is None:  # a seek may land amid what belongs together
                continue
            reason = f"its sound does not decode ({say(error)})"
            raise VideoError(path, "decode", reason) from error
        for frame in frames:
            if place is None:
                if frame.time is None:
                    continue
                place = round((frame.time - begin) * sample_rate)
                if sought and place > 0:
                    return None
            frame.pts = None  # sound follows on sound: a gap of some samples is no gap
            place = _put(resampler.resample(frame), sound_L, place)
        if place is not None and place >= num_samples:
            return sound_L
    if place is not None:
        _put(resampler.resample(None), sound_L, place)
    return sound_L


def _put(frames: Any, sound_L: np.ndarray, place: int) -> int:
    """Copies what falls into the asked part; returns the place of the next sample."""
    for frame in frames:
        samples = frame.to_ndarray()[0]
        low, high = max(0, place), min(len(sound_L), place + len(samples))
        if low < high:
            sound_L[low:high] = samples[low - place : high - place]
        place += len(samples)
    return place


def _open(path: str, span: tuple[int, int] | None) -> Any:
    try:
        if span is not None:
            with open(path, "rb") as file:
                file.seek(span[0])
                return av.open(io.BytesIO(file.read(span[1])))
        return av.open("file:" + os.path.abspath(path), options={"protocol_whitelist": "file"})
    except (av.FFmpegError, OSError, ValueError) as error:
        raise VideoError(path, "open", f"not a video that can be read ({say(error)})") from error


def _video_begin(container: Any) -> float:
    """Seconds on the file's clock at which the first picture is shown."""
    for stream in container.streams.video:
        if stream.start_time is not None and stream.time_base is not None:
            return float(stream.start_time * stream.time_base)
    return 0.0
