"""The header index: what it says, its cache, and what it refuses."""

from __future__ import annotations

import os
import pickle
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from stfw.types import VideoError
from stfw.video import container
from stfw.video.probe import probe
from stfw.video.writer import write_video
from tests.coordinate_video import write_coordinate_video


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("STFW_CACHE", str(folder))
    return folder


def test_the_second_look_does_not_open_the_file(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_coordinate_video(tmp_path / "a.mp4", num_b_frames=2)
    first = probe(str(path))

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the file was opened again")

    monkeypatch.setattr(av, "open", refuse)
    second = probe(str(path))
    assert second.info == first.info
    assert np.array_equal(second.pts_F, first.pts_F)
    assert np.array_equal(second.keys_G, first.keys_G)


def test_a_changed_file_is_looked_at_again(tmp_path: Path, cache: Path) -> None:
    path = write_coordinate_video(tmp_path / "a.mp4", num_frames=20)
    assert probe(str(path)).info.num_frames == 20
    write_coordinate_video(path, num_frames=30)
    assert probe(str(path)).info.num_frames == 30


def test_a_damaged_cache_is_made_anew_and_an_unwritable_one_is_no_error(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_coordinate_video(tmp_path / "a.mp4")
    probe(str(path))
    (stored,) = cache.rglob("*.index")
    content = bytearray(stored.read_bytes())
    content[len(content) // 2] ^= 1
    for damaged in (b"", b"PK damaged", content):
        stored.write_bytes(damaged)
        assert probe(str(path)).info.num_frames == 60
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where a folder should be")
    monkeypatch.setenv("STFW_CACHE", str(blocked))
    assert probe(str(path)).info.num_frames == 60


def test_length_rate_and_sound(tmp_path: Path, cache: Path) -> None:
    frames_THWC = np.zeros((12, 32, 32, 3), np.uint8)
    write_video(tmp_path / "silent.mp4", frames_THWC, 10)
    write_video(tmp_path / "loud.mp4", frames_THWC, 10, np.zeros(16000, np.float32))
    silent, loud = (probe(str(tmp_path / f"{n}.mp4")).info for n in ("silent", "loud"))
    assert (silent.has_audio, loud.has_audio) == (False, True)
    assert silent.fps == pytest.approx(10)
    assert silent.duration_sec == pytest.approx(1.2)


def _only_sound(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000, layout="mono")
        audio = av.AudioFrame.from_ndarray(np.zeros((1, 16000), np.float32), "fltp", "mono")
        audio.sample_rate = 16000
        container.mux(stream.encode(audio))
        container.mux(stream.encode())


@pytest.mark.parametrize(
    ("kind", "content"),
    [("open", b""), ("open", b"<html>not found</html>" * 40), ("open", os.urandom(5000))],
)
def test_what_is_no_video_is_refused(
    tmp_path: Path, cache: Path, kind: str, content: bytes
) -> None:
    path = tmp_path / "bad.mp4"
    path.write_bytes(content)
    with pytest.raises(VideoError, match=r"bad\.mp4") as caught:
        probe(str(path))
    assert caught.value.kind == kind


def test_missing_and_soundtrack_only(tmp_path: Path, cache: Path) -> None:
    with pytest.raises(VideoError) as caught:
        probe(str(tmp_path / "nowhere.mp4"))
    assert caught.value.kind == "missing"
    _only_sound(tmp_path / "sound.mp4")
    with pytest.raises(VideoError, match="no video track") as caught:
        probe(str(tmp_path / "sound.mp4"))
    assert caught.value.kind == "no_video"


def test_a_file_that_claims_too_many_pixels_is_refused_before_decoding(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_coordinate_video(tmp_path / "a.mp4")
    monkeypatch.setattr(container, "MAX_PIXELS", 1000)
    with pytest.raises(VideoError, match="64x48 pixels exceed") as caught:
        probe(str(path))
    assert caught.value.kind == "too_large"


def test_names_that_look_like_addresses_or_options_are_only_names(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a=b, (c) é.mp4", "-i.mp4", "%03d.mp4", "concat:x.mp4"):
        write_coordinate_video(tmp_path / "plain.mp4", num_frames=5).rename(tmp_path / name)
        assert probe(name).info.num_frames == 5
    with pytest.raises(VideoError):
        probe("http://127.0.0.1:9/a.mp4")


def test_a_video_error_survives_a_worker() -> None:
    error = pickle.loads(pickle.dumps(VideoError("a.mp4", "decode", "frame 3 does not decode")))
    assert (error.path, error.kind, str(error)) == (
        "a.mp4",
        "decode",
        "a.mp4: frame 3 does not decode",
    )


def test_a_rate_that_varies_is_known_by_its_times(tmp_path: Path, cache: Path) -> None:
    times_ms = [0, 40, 80, 200, 240, 400, 440, 1000]
    path = tmp_path / "varying.mp4"
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25, options={"bf": "0"})
        video.width = video.height = 32
        video.pix_fmt = "yuv420p"
        video.codec_context.time_base = Fraction(1, 1000)
        for time_ms in times_ms:
            frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
            frame.pts, frame.time_base = time_ms, Fraction(1, 1000)
            container.mux(video.encode(frame))
        container.mux(video.encode())
    for _ in range(2):  # as scanned, and as read back from the cache
        times_F = probe(str(path)).info.times_F
        assert times_F is not None
        assert times_F * 1000 == pytest.approx(times_ms, abs=1)
        sys.modules["stfw.video.probe"]._KNOWN.clear()


def test_a_constant_rate_needs_no_times(tmp_path: Path, cache: Path) -> None:
    write_video(tmp_path / "a.mp4", np.zeros((20, 16, 16, 3), np.uint8), fps=29.97)
    assert probe(str(tmp_path / "a.mp4")).info.times_F is None
