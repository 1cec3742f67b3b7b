"""Sound of exactly the asked seconds, aligned with the pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stfw.types import VideoError
from stfw.video.audio import read_audio
from stfw.video.writer import write_video

RATE, FPS, NUM_FRAMES = 16000, 20, 60


def tone_hz(frame: int) -> float:
    """Every frame has a pitch of its own."""
    return 400.0 + 60.0 * frame


@pytest.fixture(scope="module")
def singing(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Footage whose sound tells the number of the frame."""
    path = tmp_path_factory.mktemp("sound") / "numbers.mp4"
    moments = np.arange(RATE // FPS) / RATE
    sound = np.concatenate(
        [0.5 * np.sin(2 * np.pi * tone_hz(frame) * moments) for frame in range(NUM_FRAMES)]
    )
    frames_THWC = np.zeros((NUM_FRAMES, 32, 32, 3), np.uint8)
    write_video(path, frames_THWC, FPS, sound.astype(np.float32), RATE)
    return str(path)


def pitch_hz(sound_L: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(sound_L * np.hanning(len(sound_L)), 16384))
    return float(spectrum.argmax() * RATE / 16384)


@pytest.mark.parametrize("frame", [0, 1, 7, 20, 33, 58, 59])
def test_the_sound_of_a_frame_is_its_own(singing: str, frame: int) -> None:
    sound_L = read_audio(singing, frame / FPS, (frame + 1) / FPS)
    assert sound_L is not None
    assert len(sound_L) == RATE // FPS
    # within a third of the step to the next frame's pitch
    assert abs(pitch_hz(sound_L) - tone_hz(frame)) < 20


def test_a_part_is_a_part_of_the_whole(singing: str) -> None:
    whole_L = read_audio(singing, 0.0, NUM_FRAMES / FPS)
    part_L = read_audio(singing, 1.5, 2.25)
    assert whole_L is not None
    assert part_L is not None
    assert np.allclose(part_L, whole_L[int(1.5 * RATE) : int(2.25 * RATE)], atol=2e-3)


def test_beyond_the_ends_there_is_silence(singing: str) -> None:
    late_L = read_audio(singing, 2.9, 4.0)
    assert late_L is not None
    assert len(late_L) == round(1.1 * RATE)
    assert np.abs(late_L[: RATE // 20]).max() > 0.3
    assert (late_L[RATE // 2 :] == 0).all()
    early_L = read_audio(singing, -0.5, 0.25)
    assert early_L is not None
    assert (early_L[: RATE // 4] == 0).all()
    assert np.abs(early_L[-RATE // 8 :]).max() > 0.3


def test_videos_without_sound_have_none(tmp_path: Path) -> None:
    write_video(tmp_path / "silent.mp4", np.zeros((4, 16, 16, 3), np.uint8), 10)
    assert read_audio(str(tmp_path / "silent.mp4"), 0, 0.2) is None
    (tmp_path / "no.mp4").write_text("no")
    with pytest.raises(VideoError, match="not a video"):
        read_audio(str(tmp_path / "no.mp4"), 0, 1)


def test_a_seek_changes_nothing_on_real_sound(shared_videos: Path) -> None:
    names = ["kinetics/abseiling_k400.mp4", "kinetics/SOX5yA1l24A.mp4", "grid/bbaf2n.mpg"]
    for name in names:
        path = str(shared_videos / name)
        whole_L = read_audio(path, 0.0, 2.5)
        part_L = read_audio(path, 1.25, 2.0)
        assert whole_L is not None
        assert part_L is not None
        assert np.abs(whole_L).max() > 0.001
        expected_L = whole_L[int(1.25 * RATE) : int(2.0 * RATE)]
        # rates that do not divide are resampled from another beginning: half a sample apart
        error = np.sqrt(np.mean((part_L - expected_L) ** 2) / np.mean(expected_L**2))
        shifted = np.sqrt(np.mean((part_L[1:] - expected_L[:-1]) ** 2) / np.mean(expected_L**2))
        assert error < 0.05 < shifted, name
