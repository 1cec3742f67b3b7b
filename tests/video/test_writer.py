"""Writing: what comes back, and that nothing is half-written."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from stfw.video.decode import decode
from stfw.video.probe import probe
from stfw.video.writer import write_video


def test_pictures_and_sound_come_back(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    shades = np.arange(32, dtype=np.uint8) * 7
    frames_THWC = np.broadcast_to(shades[:, None, None, None], (32, 64, 48, 3))
    tone_L = 0.5 * np.sin(np.arange(16000) * 2 * np.pi * 440 / 16000).astype(np.float32)
    write_video(path, frames_THWC, 30000 / 1001, tone_L, options={"crf": "10"})
    index = probe(str(path))
    assert index.info.fps == pytest.approx(30000 / 1001)
    found_T = decode(index, np.arange(32)).mean((1, 2, 3))
    assert np.abs(found_T - shades).max() < 3
    with av.open(str(path)) as container:
        sound = container.streams.audio[0]
        assert (sound.rate, sound.channels, sound.codec_context.name) == (16000, 1, "aac")
        found_L = np.concatenate([f.to_ndarray()[0] for f in container.decode(sound)])
    assert abs(len(found_L) - 16000) < 2 * 1024
    spectrum = np.abs(np.fft.rfft(found_L[2000:10000]))
    assert spectrum.argmax() * 2 == 440  # bins are 2 Hz wide
    assert found_L.max() == pytest.approx(0.5, abs=0.05)


def test_quality_is_an_option(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (8, 64, 64, 3), np.uint8)
    for crf in ("10", "40"):
        write_video(tmp_path / f"{crf}.mp4", noise, 8, options={"crf": crf})
    assert (tmp_path / "10.mp4").stat().st_size > 3 * (tmp_path / "40.mp4").stat().st_size


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_text("before")
    with pytest.raises((av.FFmpegError, ValueError)):
        write_video(path, np.zeros((4, 33, 33, 3), np.uint8), 8)  # odd: not for yuv420p
    assert path.read_text() == "before"
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]


def test_the_rate_is_kept_as_a_fraction(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    write_video(path, np.zeros((4, 32, 32, 3), np.uint8), 23.976)
    with av.open(str(path)) as container:
        rate = container.streams.video[0].average_rate
    assert abs(rate - Fraction(24000, 1001)) < Fraction(1, 100)
