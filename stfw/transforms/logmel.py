"""Log-mel pictures of sound."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from stfw.types import UserError


class LogMel:
    """Short-time Fourier power in mel bands, as natural logarithm.

    The same as librosa's ``melspectrogram`` (Slaney's scale and area normalisation, a periodic Hann
    window, frames centred in zeros) followed by ``log(x + offset)``.

    Args:
        sample_rate: in Hz.
        window_sec: length of the window.
        hop_sec: from one column to the next.
        num_mels: M.
        min_hz: lowest edge of the bands.
        max_hz: highest edge; None: half the sample rate.
        offset: added before the logarithm.
    """

    def __init__(
        self,
        sample_rate: int = 16000,
        window_sec: float = 0.025,
        hop_sec: float = 0.010,
        num_mels: int = 64,
        min_hz: float = 0.0,
        max_hz: float | None = None,
        offset: float = 1e-6,
    ) -> None:
        self.window, self.hop = round(window_sec * sample_rate), round(hop_sec * sample_rate)
        if min(self.window, self.hop, num_mels) < 1:
            raise UserError(f"log-mel: {window_sec=}, {hop_sec=}, {num_mels=} must be above 0")
        high = sample_rate / 2 if max_hz is None else max_hz
        if not 0 <= min_hz < high <= sample_rate / 2:
            raise UserError(
                f"log-mel: min_hz={min_hz} and max_hz={max_hz} must rise, up to half of "
                f"sample_rate={sample_rate}"
            )
        self.num_fft = 1 << (self.window - 1).bit_length()  # the next power of two
        self.offset = offset
        bank_MF = mel_filters(sample_rate, self.num_fft, num_mels, min_hz, high)
        self.bank_MF = torch.from_numpy(bank_MF)
        self.hann_L = torch.hann_window(self.window, periodic=True)

    def __call__(self, sound_L: np.ndarray) -> np.ndarray:
        """float32 samples to float32 M x (1 + samples // hop)."""
        waves_L: Tensor = torch.from_numpy(np.ascontiguousarray(sound_L, np.float32))
        spectrum_FL = torch.stft(
            waves_L,
            self.num_fft,
            self.hop,
            self.window,
            self.hann_L,
            center=True,
            pad_mode="constant",
            return_complex=True,
        )
        power_FL = spectrum_FL.real.square() + spectrum_FL.imag.square()
        return (self.bank_MF @ power_FL + self.offset).log().numpy()


def mel_filters(
    sample_rate: int, num_fft: int, num_mels: int, min_hz: float, max_hz: float
) -> np.ndarray:
    """Triangular filters on Slaney's mel scale, each of area 1: float32 M x (num_fft // 2 + 1).

    Linear below 1000 Hz (a mel is 200/3 Hz), logarithmic above (27 mels are a factor of 6.4):
    Slaney, Auditory Toolbox, 1998.
    """
    edges_hz = _from_mel(np.linspace(_to_mel(min_hz), _to_mel(max_hz), num_mels + 2))
    bins_hz = np.linspace(0, sample_rate / 2, num_fft // 2 + 1)
    low, centre, high = edges_hz[:-2, None], edges_hz[1:-1, None], edges_hz[2:, None]
    rising, falling = (bins_hz - low) / (centre - low), (high - bins_hz) / (high - centre)
    triangles = np.maximum(0, np.minimum(rising, falling))
    return (triangles * 2 / (high - low)).astype(np.float32)


_STEP = np.log(6.4) / 27


def _to_mel(hz: float) -> float:
    return hz * 3 / 200 if hz < 1000 else 15 + float(np.log(hz / 1000)) / _STEP


def _from_mel(mel: np.ndarray) -> np.ndarray:
    return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp(_STEP * (mel - 15)))
