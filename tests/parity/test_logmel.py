"""Log-mel pictures are those of librosa."""

from __future__ import annotations

import numpy as np
import pytest

from stfw.transforms.logmel import LogMel
from tests.parity.reference import needs


@pytest.mark.parametrize(
    ("sample_rate", "num_mels", "low", "high"), [(16000, 64, 0, None), (22050, 80, 50, 7600)]
)
def test_it_is_what_librosa_gives(
    sample_rate: int, num_mels: int, low: float, high: float | None
) -> None:
    librosa = needs("librosa")
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
