"""Log-mel pictures against librosa and against arithmetic."""

from __future__ import annotations

import numpy as np
import pytest

from stfw.transforms.logmel import LogMel, mel_filters
from stfw.types import UserError


@pytest.mark.parametrize(
    ("sample_rate", "num_mels", "low", "high"), [(16000, 64, 0, None), (22050, 80, 50, 7600)]
)
def test_it_is_what_librosa_gives(
    sample_rate: int, num_mels: int, low: float, high: float | None
) -> None:
    librosa = pytest.importorskip("librosa", reason="librosa is not installed")
    generator = np.random.default_rng(0)
    sound_L = (0.1 * generator.standard_normal(2 * sample_rate)).astype(np.float32)
    log_mel = LogMel(sample_rate, num_mels=num_mels, min_hz=low, max_hz=high)
    expected = librosa.feature.melspectrogram(
        y=sound_L,
        sr=sample_rate,
        n_fft=log_mel.num_fft,
        hop_length=log_mel.hop,
        win_length=log_mel.window,
        pad_mode="constant",
        n_mels=num_mels,
        fmin=low,
        fmax=high or sample_rate / 2,
    )
    assert np.abs(log_mel(sound_L) - np.log(expected + 1e-6)).max() < 1e-5


def test_bands_follow_slaney() -> None:
    bank_MF = mel_filters(16000, 512, 4, 0.0, 1000.0)
    # below 1000 Hz mels are linear: edges at 0, 200, ..., 1000 Hz; a bin is 31.25 Hz
    assert (bank_MF.argmax(axis=1) * 31.25).tolist() == pytest.approx([200, 400, 600, 800], abs=16)
    assert bank_MF.sum(axis=1) * 31.25 == pytest.approx(np.ones(4), rel=0.02)  # of area 1
    assert (bank_MF[:, 33:] == 0).all()


def test_a_tone_lights_its_band_alone() -> None:
    moments = np.arange(16000) / 16000
    picture_ML = LogMel(num_mels=40)(np.sin(2 * np.pi * 1000 * moments).astype(np.float32))
    assert picture_ML.shape == (40, 101)
    bank_MF = mel_filters(16000, 512, 40, 0.0, 8000.0)
    assert (picture_ML[:, 50].argmax()) == bank_MF[:, 32].argmax()  # bin 32 is 1000 Hz


def test_silence_is_the_logarithm_of_the_offset() -> None:
    assert np.allclose(LogMel(offset=1e-3)(np.zeros(1600, np.float32)), np.log(1e-3))


def test_mistakes_are_named() -> None:
    with pytest.raises(UserError, match="max_hz=9000"):
        LogMel(max_hz=9000.0)
