"""Sound of exactly the asked seconds, aligned with the pictures."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import av
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
    assert np.abs(part_L - whole_L[int(1.5 * RATE) : int(2.25 * RATE)]).max() < 1e-4


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


def mux(
    path: Path,
    sound_CL: np.ndarray,
    rate: int,
    codec: str,
    video_codec: str = "mpeg4",
    begin_sec: float = 0.0,
    options: Mapping[str, str] | None = None,
) -> str:
    """Sound beside black pictures, its first sample shown ``begin_sec`` after the first of them."""
    layout, per_frame = ("mono", "stereo")[len(sound_CL) - 1], rate // FPS
    with av.open(str(path), "w") as container:
        video = container.add_stream(video_codec, rate=FPS)
        video.width, video.height, video.pix_fmt = 32, 32, "yuv420p"
        audio = container.add_stream(codec, rate=rate, layout=layout, options=dict(options or {}))
        for number in range(sound_CL.shape[1] // per_frame):
            picture = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8))
            picture.pts, picture.time_base = number, Fraction(1, FPS)
            container.mux(video.encode(picture))
            at = number * per_frame
            samples = np.ascontiguousarray(sound_CL[:, at : at + per_frame], np.float32)
            frame = av.AudioFrame.from_ndarray(samples, "fltp", layout)
            frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
            frame.pts = at + round(begin_sec * rate)
            container.mux(audio.encode(frame))
        container.mux(video.encode())
        container.mux(audio.encode())
    return str(path)


def rising(rate: int, seconds: float = 4.0) -> np.ndarray:
    """A tone that rises, with noise: no part of it looks like another."""
    moments = np.arange(round(seconds * rate)) / rate
    noise = np.random.default_rng(0).standard_normal(len(moments))
    return 0.3 * np.sin(2 * np.pi * (200 + 150 * moments) * moments) + 0.02 * noise


@pytest.mark.parametrize(
    ("suffix", "codec", "rate", "video_codec"),
    [
        ("mp4", "aac", 44100, "mpeg4"),
        ("mp4", "aac", 48000, "mpeg4"),
        ("mkv", "libopus", 48000, "mpeg4"),  # stamps of 1 ms; a first frame that is trimmed
        ("mkv", "flac", 44100, "mpeg4"),
        ("ts", "mp2", 44100, "mpeg2video"),  # its clock does not begin at 0
        ("avi", "pcm_s16le", 22050, "mpeg4"),
    ],
)
def test_a_seek_changes_nothing(
    tmp_path: Path, suffix: str, codec: str, rate: int, video_codec: str
) -> None:
    sound_L = rising(rate)
    options = {"aac_pns": "0"} if codec == "aac" else {}  # noise that decoders draw anew
    path = mux(tmp_path / f"v.{suffix}", sound_L[None], rate, codec, video_codec, options=options)
    whole_L = read_audio(path, 0.0, 4.0)
    assert whole_L is not None
    true_L = np.interp(np.arange(4 * RATE) / RATE, np.arange(len(sound_L)) / rate, sound_L)
    middle = slice(RATE, 3 * RATE)
    aligned = [np.dot(np.roll(whole_L, lag)[middle], true_L[middle]) for lag in range(-40, 41)]
    assert abs(int(np.argmax(aligned)) - 40) <= 1  # sound and pictures begin together
    for begin_sec in (1.0, 1.77, 7 / 3, 3.1):
        part_L = read_audio(path, begin_sec, begin_sec + 0.5)
        begin = round(begin_sec * RATE)
        assert part_L is not None
        assert np.abs(part_L - whole_L[begin : begin + RATE // 2]).max() < 1e-4


def test_sound_that_begins_late_stays_with_its_pictures(tmp_path: Path) -> None:
    late = mux(tmp_path / "late.mov", rising(RATE)[None], RATE, "pcm_s16le", begin_sec=0.5)
    sound_L = read_audio(late, 0.0, 2.0)
    assert sound_L is not None
    assert (sound_L[: RATE // 2] == 0).all()
    assert np.abs(sound_L[RATE // 2 :] - rising(RATE)[: 3 * RATE // 2]).max() < 1e-4


def test_channels_are_averaged(tmp_path: Path) -> None:
    tone_L = rising(RATE)
    stereo_CL = np.stack([tone_L, np.zeros_like(tone_L)])
    for codec in ("pcm_s16le", "pcm_f32le"):  # integers and floats alike
        path = mux(tmp_path / f"{codec}.mov", stereo_CL, RATE, codec)
        sound_L = read_audio(path, 0.0, 1.0)
        assert sound_L is not None
        assert np.abs(sound_L - tone_L[:RATE] / 2).max() < 1e-4


def test_sound_ends_before_the_pictures_do(singing: str) -> None:
    sound_L = read_audio(singing, 50.0, 51.0)
    assert sound_L is not None
    assert sound_L.shape == (RATE,)
    assert (sound_L == 0).all()


def test_a_video_within_a_larger_file_sounds_the_same(singing: str, tmp_path: Path) -> None:
    content = Path(singing).read_bytes()
    (tmp_path / "shard.tar").write_bytes(b"before" + content + b"behind")
    span = (len(b"before"), len(content))
    found_L = read_audio(str(tmp_path / "shard.tar"), 1.0, 2.0, span=span)
    expected_L = read_audio(singing, 1.0, 2.0)
    assert found_L is not None
    assert expected_L is not None
    assert np.array_equal(found_L, expected_L)


def test_videos_without_sound_have_none(tmp_path: Path) -> None:
    write_video(tmp_path / "silent.mp4", np.zeros((4, 16, 16, 3), np.uint8), 10)
    assert read_audio(str(tmp_path / "silent.mp4"), 0, 0.2) is None


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "no.mp4").write_text("no")
    with pytest.raises(VideoError, match="not a video") as told:
        read_audio(str(tmp_path / "no.mp4"), 0, 1)
    assert told.value.kind == "open"
    with pytest.raises(VideoError, match="no such file") as told:
        read_audio(str(tmp_path / "gone.mp4"), 0, 1)
    assert told.value.kind == "missing"

    path = mux(tmp_path / "v.mkv", rising(44100)[None], 44100, "aac")
    content = bytearray(Path(path).read_bytes())
    with av.open(path) as container:
        packets = [p for p in container.demux(container.streams.audio[0]) if p.size > 20]
        for packet in packets[20:40]:
            at = content.find(bytes(packet))
            content[at : at + packet.size] = bytes([0xFF]) * packet.size
    Path(path).write_bytes(content)
    with pytest.raises(VideoError, match="sound does not decode") as told:
        read_audio(path, 0, 2)
    assert told.value.kind == "decode"


@pytest.mark.parametrize(
    "name",
    [
        "kinetics/abseiling_k400.mp4",
        "kinetics/SOX5yA1l24A.mp4",
        "kinetics/flipping_a_pancake.mkv",
        "grid/bbaf2n.mpg",
    ],
)
def test_a_seek_changes_nothing_on_real_sound(shared_videos: Path, name: str) -> None:
    path = str(shared_videos / name)
    whole_L = read_audio(path, 0.0, 2.5)
    assert whole_L is not None
    assert np.abs(whole_L).max() > 0.001
    for begin_sec in (0.9, 1.25, 1.7):
        part_L = read_audio(path, begin_sec, begin_sec + 0.75)
        begin = round(begin_sec * RATE)
        assert part_L is not None
        assert np.abs(part_L - whole_L[begin : begin + 3 * RATE // 4]).max() < 1e-4
