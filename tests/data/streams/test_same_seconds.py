"""All streams of a view cover the same seconds: pictures and sound that tell their frame."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from stfw.data.dataset import VideoDataset, collate
from stfw.data.sample import Loading
from stfw.data.streams.audio import Audio
from stfw.data.streams.rgb import RGB
from stfw.data.streams.stream import Stream
from stfw.sampling.clip_sampler import ClipSampler
from stfw.transforms.clip import RandomCrop
from stfw.transforms.pipeline import ClipPipeline
from stfw.types import Record, VideoError
from stfw.video.decode import decode
from stfw.video.writer import write_video

RATE, FPS, NUM_FRAMES = 16000, 20, 80


def tone_hz(frame: int) -> float:
    return 400.0 + 60.0 * frame


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Record:
    """Frame k is of grey level 2 k and sounds with a pitch of its own."""
    path = tmp_path_factory.mktemp("numbers") / "numbers.mp4"
    moments = np.arange(RATE // FPS) / RATE
    sound = [0.5 * np.sin(2 * np.pi * tone_hz(k) * moments) for k in range(NUM_FRAMES)]
    levels = (2 * np.arange(NUM_FRAMES)).astype(np.uint8)
    frames_THWC = np.broadcast_to(levels[:, None, None, None], (NUM_FRAMES, 32, 32, 3)).copy()
    write_video(
        path,
        frames_THWC,
        FPS,
        np.concatenate(sound).astype(np.float32),
        RATE,
        "libx264rgb",
        "rgb24",
        {"qp": "0"},
    )
    return Record("numbers", str(path), 0)


def heard_frames(picture_ML: np.ndarray, audio: Audio, num_frames: int) -> list[int]:
    """The frame whose pitch is loudest in the middle of each frame's time."""
    bank_MF = audio.log_mel.bank_MF.numpy()
    hop_sec = audio.log_mel.hop / RATE
    heard = []
    for nth in range(num_frames):
        column = round((nth + 0.5) / FPS / hop_sec)
        bin_hz = RATE / audio.log_mel.num_fft
        # the mel picture a pure tone of each frame would give
        tones = [bank_MF[:, round(tone_hz(k) / bin_hz)] for k in range(NUM_FRAMES)]
        power_M = np.exp(picture_ML[:, column])
        heard.append(int(np.argmax([t @ power_M / np.linalg.norm(t) for t in tones])))
    return heard


def test_picture_and_sound_of_a_view_tell_the_same_frames(record: Record) -> None:
    audio = Audio(seconds=1.0, num_mels=160, window_sec=0.032)
    streams = {"rgb": Stream(RGB()), "audio": Stream(audio)}
    crop = ClipPipeline({"crop": RandomCrop(16)})
    loading = Loading(ClipSampler(16, crop_size=16), streams, crop, decode)
    for epoch in range(8):
        sample: Any = VideoDataset([record], loading)[(epoch, 0, 0)]
        seen = (sample["rgb"][0, 0, 0, :, 0, 0] // 2).tolist()
        heard = heard_frames(sample["audio"][0, 0, 0].numpy(), audio, len(seen))
        # a mel band is as wide as a frame's step in pitch, or two
        assert np.abs(np.array(seen) - heard).max() <= 1
        silent = sample["audio"][0, 0, 0][:, -10:]  # 16 frames last 0.8 of the 1.0 seconds
        assert torch.allclose(silent, torch.from_numpy(audio.silence_ML[:, -10:]), atol=0.5)


def test_each_clip_may_have_sound_of_its_own(record: Record) -> None:
    audio = Audio(seconds=0.4, span="clip", num_mels=160, window_sec=0.032)
    streams = {"rgb": Stream(RGB()), "audio": Stream(audio)}
    loading = Loading(ClipSampler(8, num_clips=3, crop_size=16), streams, None, decode)
    sample: Any = VideoDataset([record], loading)[0]
    assert sample["audio"].shape[:3] == (1, 3, 1)
    for rgb_CTHW, audio_CML in zip(sample["rgb"][0], sample["audio"][0], strict=True):
        seen = (rgb_CTHW[0, :, 0, 0] // 2).tolist()
        heard = heard_frames(audio_CML[0].numpy(), audio, 8)
        assert np.abs(np.array(seen) - heard)[1:-1].max() <= 1


def test_videos_without_sound_are_marked_or_refused(record: Record, tmp_path: Path) -> None:
    write_video(tmp_path / "silent.mp4", np.zeros((40, 32, 32, 3), np.uint8), FPS)
    silent = Record("silent", str(tmp_path / "silent.mp4"), 1)

    def load(missing: Any) -> Any:
        streams = {"rgb": Stream(RGB()), "audio": Stream(Audio(missing=missing))}
        loading = Loading(ClipSampler(8, crop_size=16), streams, None, decode)
        return collate([VideoDataset([record, silent], loading)[i] for i in range(2)])

    batch = load("zeros")
    assert batch["present"]["audio"].tolist() == [True, False]
    assert batch["present"]["rgb"].tolist() == [True, True]
    assert batch["audio"].shape[0] == 2
    with pytest.raises(VideoError, match="has no audio track"):
        load("error")
