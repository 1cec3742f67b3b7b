"""Small video files with sound, for data sets that stfw makes itself and for tests."""

from __future__ import annotations

import os
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import av
import numpy as np


def write_video(
    path: str | Path,
    frames_THWC: np.ndarray,
    fps: int,
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
        options: of the codec, for example ``{"crf": "18"}``.
    """
    path = Path(path)
    part = path.with_name(f"{path.stem}.{os.getpid()}.part{path.suffix}")
    height, width = frames_THWC.shape[1:3]
    try:
        with av.open(str(part), "w") as container:
            video = container.add_stream(codec, rate=fps, options=dict(options or {}))
            video.width, video.height, video.pix_fmt = width, height, pixel_format
            video.codec_context.thread_count = 1
            sound = None
            if audio_L is not None:
                sound = container.add_stream("aac", rate=sample_rate, layout="mono")
            for number, frame_HWC in enumerate(frames_THWC):
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame_HWC), "rgb24")
                frame.pts, frame.time_base = number, Fraction(1, fps)
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
