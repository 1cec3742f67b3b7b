"""The audio stream: log-mel pictures of the seconds that the frames cover."""

from __future__ import annotations

from typing import Literal

import numpy as np

from stfw.data.footage import Footage
from stfw.transforms.logmel import LogMel
from stfw.types import StreamKind, UserError, VideoError
from stfw.video.audio import read_audio


class Audio:
    """Sound from the first frame of a view to the end of its last one, 1 channel.

    Args:
        seconds: fixed length; shorter sound is followed by silence, of longer the middle is taken.
        span: ``view``: one piece of sound for all clips of a view; ``clip``: one for each.
        sample_rate: samples per second, mono.
        num_mels: M.
        window_sec: of the short-time Fourier transform.
        hop_sec: from one of its L columns to the next.
        missing: what a video without sound gives: ``zeros`` (and the stream is marked as not
            present) or an ``error``.
    """

    kind: StreamKind = "audio"
    channels = 1

    def __init__(
        self,
        seconds: float = 2.0,
        span: Literal["view", "clip"] = "view",
        sample_rate: int = 16000,
        num_mels: int = 64,
        window_sec: float = 0.025,
        hop_sec: float = 0.010,
        missing: Literal["zeros", "error"] = "zeros",
    ) -> None:
        if seconds <= window_sec:
            raise UserError(f"audio: seconds={seconds} must be above window_sec={window_sec}")
        self.seconds, self.span, self.sample_rate = seconds, span, sample_rate
        self.missing = missing
        self.log_mel = LogMel(
            sample_rate=sample_rate, window_sec=window_sec, hop_sec=hop_sec, num_mels=num_mels
        )
        self.silence_ML = self.log_mel(np.zeros(self.num_samples, np.float32))

    @property
    def num_samples(self) -> int:
        """Samples of one piece of sound."""
        return round(self.seconds * self.sample_rate)

    def read(self, frames_NT: np.ndarray, footage: Footage) -> np.ndarray | None:
        """Log-mel of a view's sound: float32 N 1 M L with N = 1 where ``span`` is ``view``.

        None: the video has no sound.

        Raises:
            VideoError: no sound, where ``missing`` is ``error``, or sound that does not decode.
        """
        record = footage.record
        if not footage.index.info.has_audio:
            if self.missing == "error":
                raise VideoError(record.path, "no_audio", "has no audio track")
            return None
        rows = frames_NT if self.span == "clip" else frames_NT.reshape(1, -1)
        pieces = []
        for frames_T in rows:
            begin = footage.second(int(frames_T.min()))
            end = footage.second(int(frames_T.max()) + 1)
            spare = max(0.0, end - begin - self.seconds)
            begin, end = begin + spare / 2, end - spare / 2
            samples = read_audio(record.path, begin, end, self.sample_rate, record.span)
            if samples is None:
                return None
            sound_L = np.zeros(self.num_samples, np.float32)
            sound_L[: len(samples)] = samples[: self.num_samples]
            pieces.append(self.log_mel(sound_L)[None])
        return np.stack(pieces)

    def silence(self, num_clips: int) -> np.ndarray:
        """What stands where there is no sound: float32 N 1 M L."""
        num_pieces = num_clips if self.span == "clip" else 1
        return np.broadcast_to(self.silence_ML, (num_pieces, 1, *self.silence_ML.shape)).copy()
