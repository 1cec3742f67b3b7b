"""Writes small video files with sound: data sets that stfw makes itself, and tests."""

from __future__ import annotations

import os
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

_DEFAULTS = {"libx264": {"preset": "veryfast"}, "libx264rgb": {"preset": "veryfast"}}


def write_video(
    path: str | Path,
    frames_THWC: np.ndarray,
    fps: float,
    audio_L: np.ndarray | None = None,
    sample_rate: int = 16000,
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    options: Mapping[str, str] | None = None,
) -> None:
    """Writes a file whole or not at all; the suffix names the container.

    Args:
        path: the file.
        frames_THWC: uint8, RGB; even height and width for yuv420p.
        fps: frames per second.
        audio_L: float32 mono samples in -1..1, written as AAC; None: no audio track.
        sample_rate: of the audio, in Hz.
        codec: of the video.
        pixel_format: of the encoded video.
        options: of the codec, for example ``{"crf": "18"}``; H.264 has preset veryfast.

    Raises:
        av.FFmpegError: the codec refuses the size, the pixel format or an option.
    """
    path = Path(path)
    part = path.with_name(f"{path.stem}.{os.getpid()}.part{path.suffix}")
    height, width = frames_THWC.shape[1:3]
    rate = Fraction(fps).limit_denominator(1001)  # 30000/1001 and its like stay exact
    options = {**_DEFAULTS.get(codec, {}), **(options or {})}
    try:
        with av.open(str(part), "w") as container:
            video = container.add_stream(codec, rate=rate, options=options)
            video.width, video.height, video.pix_fmt = width, height, pixel_format
            video.codec_context.thread_count = 1  # files are many and small: write several at once
            sound = None
            if audio_L is not None:
                sound = container.add_stream("aac", rate=sample_rate, layout="mono")
            for number, frame_HWC in enumerate(frames_THWC):
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame_HWC), "rgb24")
                frame.pts, frame.time_base = number, 1 / rate
                container.mux(video.encode(frame))
            container.mux(video.encode())
            if sound is not None and audio_L is not None:
                samples = np.ascontiguousarray(audio_L[None], np.float32)
                audio = av.AudioFrame.from_ndarray(samples, "fltp", "mono")
                audio.sample_rate, audio.pts = sample_rate, 0
                audio.time_base = Fraction(1, sample_rate)
                container.mux(sound.encode(audio))
                container.mux(sound.encode())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
