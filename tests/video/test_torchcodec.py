"""The other decoder agrees with ours, and leaves to it what it would get wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stfw.types import UserError, VideoError
from stfw.video.decode import decode
from stfw.video.probe import probe
from stfw.video.torchcodec import TorchCodec
from tests.coordinate_video import write_coordinate_video


@pytest.fixture(scope="module")
def other() -> TorchCodec:
    try:
        return TorchCodec()
    except UserError as error:
        pytest.skip(str(error))


def test_it_is_missing_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "torchcodec.decoders", None)
    with pytest.raises(UserError, match=r'decoder=torchcodec.*pip install "stfw\[torchcodec\]"'):
        TorchCodec()


def test_frames_are_the_same_on_made_footage(other: TorchCodec, tmp_path: Path) -> None:
    index = probe(str(write_coordinate_video(tmp_path / "c.mp4", num_frames=40, gop=10)))
    asked = np.array([0, 7, 7, 31, 12, 39])
    assert np.array_equal(other(index, asked), decode(index, asked))


@pytest.mark.parametrize("name", ["k256_g12.mp4", "k256_g250.mp4", "k720_g12.mp4", "mm_test.avi"])
def test_frames_are_the_same_on_real_clips(
    other: TorchCodec, shared_videos: Path, name: str
) -> None:
    index = probe(str(shared_videos / "bench" / name))
    asked = np.arange(20, 50, 3)
    ours, theirs = decode(index, asked).astype(int), other(index, asked).astype(int)
    step = np.abs(ours[1:] - ours[:-1]).mean()
    # another build may round colours otherwise; a neighbouring frame differs far more
    assert np.abs(ours - theirs).mean() < max(0.02, 0.05 * step)
    small = other(index, asked, (64, 86))
    assert np.abs(small.astype(int) - decode(index, asked, (64, 86))).mean() < 3


def test_numbers_outside_the_file_are_refused(other: TorchCodec, tmp_path: Path) -> None:
    index = probe(str(write_coordinate_video(tmp_path / "c.mp4", num_frames=10)))
    with pytest.raises(VideoError, match="frame 10 was asked for, there are 0 to 9"):
        other(index, np.array([3, 10]))
