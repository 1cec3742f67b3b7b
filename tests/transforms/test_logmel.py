"""Log-mel pictures against arithmetic; against librosa: tests/parity/test_logmel.py."""

from __future__ import annotations

import numpy as np
import pytest

from stfw.transforms.logmel import LogMel, mel_filters
from stfw.types import UserError


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
