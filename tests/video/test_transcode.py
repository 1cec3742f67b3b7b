"""Transcoding: every frame stays, at its time, with its pixels and its sound; then it is fast."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import PictureType

from stfw.types import VideoError
from stfw.video.audio import read_audio
from stfw.video.decode import decode
from stfw.video.details import decode_all, details
from stfw.video.probe import probe
from stfw.video.transcode import transcode
from stfw.video.writer import write_video


def moving(num_frames: int = 40, height: int = 48, width: int = 64) -> np.ndarray:
    """Smooth frames, each of its own brightness and with a moving ramp: uint8 T H W 3."""
    t, y, x = np.indices((num_frames, height, width))
    ramp = np.stack([t * 5 + 20, (x * 2 + t * 3) % 200 / 2 + y, 200 - y * 2], axis=-1)
    return ramp.clip(0, 255).astype(np.uint8)


def both(source: Path, target: Path, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Frames from all over both files, in the size of the second: int T H W 3."""
    first, second = probe(str(source)), probe(str(target))
    assert first.info.num_frames == second.info.num_frames
    last = first.info.num_frames - 1
    some = np.unique(np.linspace(0, last, 12).astype(int))
    return decode(first, some, size).astype(int), decode(second, some, size).astype(int)


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [("a.mp4", "libx264", {"bf": "3", "g": "30"}), ("a.avi", "mpeg4", {}), ("a.mkv", "ffv1", {})],
)
def test_frames_stay_and_are_cheap(
    tmp_path: Path, name: str, codec: str, options: dict[str, str]
) -> None:
    source, target = tmp_path / name, tmp_path / "out.mp4"
    write_video(source, moving(), 29.97, codec=codec, options=options)
    assert transcode(probe(str(source)), target, (32, 42), gop=12) == 40
    before, after = both(source, target, (32, 42))
    assert np.abs(before - after).mean() < 3
    index = probe(str(target))
    assert index.keys_G.tolist() == [0, 12, 24, 36]
    assert index.info.fps == pytest.approx(probe(str(source)).info.fps, rel=1e-4)
    with av.open(str(target)) as container:
        kinds = [PictureType(frame.pict_type).name for frame in container.decode(video=0)]
    assert kinds == ["I" if t % 12 == 0 else "P" for t in range(40)]
    assert details(str(target))["pixel_format"] == "yuv420p"


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", moving(), 25)
    for name in ("one.mp4", "two.mp4"):
        transcode(probe(str(tmp_path / "a.mp4")), tmp_path / name, (48, 64))
    assert (tmp_path / "one.mp4").read_bytes() == (tmp_path / "two.mp4").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.mp4", "one.mp4", "two.mp4"]


def test_a_variable_rate_keeps_its_times(tmp_path: Path) -> None:
    stamps = np.cumsum([3, 1, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5])
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for stamp, picture in zip(stamps.tolist(), moving(len(stamps)), strict=True):
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            frame.pts, frame.time_base = stamp, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    source = probe(str(tmp_path / "a.mkv"))
    assert source.info.times_F is not None
    transcode(source, tmp_path / "out.mp4", (48, 64))
    result = probe(str(tmp_path / "out.mp4"))
    assert result.info.times_F is not None
    assert np.allclose(result.info.times_F, source.info.times_F, atol=1e-4)


@pytest.mark.parametrize(("fps", "per_second"), [(10, 10), (60, 60), (29.97, 29.97)])
def test_a_constant_rate_shows_the_nearest_frame(
    tmp_path: Path, fps: float, per_second: float
) -> None:
    write_video(tmp_path / "a.mp4", moving(40), 30)
    transcode(probe(str(tmp_path / "a.mp4")), tmp_path / "out.mp4", (48, 64), fps=fps)
    index = probe(str(tmp_path / "out.mp4"))
    assert index.info.fps == pytest.approx(per_second, rel=1e-3)
    frames = decode(index, np.arange(index.info.num_frames))
    shown = (frames[..., 0].mean(axis=(1, 2)) - 20) / 5  # brightness tells the source frame
    wanted = np.arange(len(shown)) * 30 / fps
    assert abs(len(shown) - 40 * fps / 30) <= 1
    assert np.abs(shown - wanted).max() < 0.75


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi"])
def test_sound_stays_where_it_was(tmp_path: Path, name: str) -> None:
    rate = 16000
    sound = np.random.default_rng(0).normal(0, 0.02, 2 * rate).astype(np.float32)
    sound[rate : rate + 800] += np.sin(np.arange(800) * 0.3).astype(np.float32) * 0.8
    codec = "mpeg4" if name == "a.avi" else "libx264"
    write_video(tmp_path / name, moving(40), 20, sound, rate, codec=codec)
    transcode(probe(str(tmp_path / name)), tmp_path / "out.mp4", (48, 64))
    assert probe(str(tmp_path / "out.mp4")).info.has_audio
    before = read_audio(str(tmp_path / name), 0.5, 1.5, rate)
    after = read_audio(str(tmp_path / "out.mp4"), 0.5, 1.5, rate)
    assert before is not None
    assert after is not None
    lags = np.correlate(np.pad(after, 400), before, "valid")
    assert abs(int(lags.argmax()) - 400) <= (0 if name == "a.mp4" else 16)  # mkv rounds to 1 ms


def test_real_files_come_upright_in_their_colours(shared_videos: Path, tmp_path: Path) -> None:
    odd = shared_videos / "odd"
    for name, size in (
        ("video_90.mov", (454, 256)),
        ("video_180.mov", (256, 454)),
        ("h265_video.mp4", (128, 128)),
        ("unordered.mov", (50, 50)),
        ("mp4__testdata__prog_8s.mp4", (256, 454)),
    ):
        target = tmp_path / f"{name}.mp4"
        transcode(probe(str(odd / name)), target, size)
        before, after = both(odd / name, target, size)
        assert np.abs(before - after).mean() < 4, name


def test_the_first_picture_may_come_after_the_sound(shared_videos: Path, tmp_path: Path) -> None:
    source, target = shared_videos / "odd" / "mp4__testdata__prog_8s.mp4", tmp_path / "out.mp4"
    transcode(probe(str(source)), target, (90, 160))
    before, after = (read_audio(str(path), 1, 3) for path in (source, target))
    assert before is not None
    assert after is not None
    assert np.corrcoef(before, after)[0, 1] > 0.999


def test_pictures_in_a_folder_become_a_video(tmp_path: Path) -> None:
    from PIL import Image

    frames = moving(6)
    for number, picture in enumerate(frames):
        Image.fromarray(picture).save(tmp_path / f"img_{number:03d}.png")
    index = probe(str(tmp_path / "img_%03d.png"))
    assert transcode(index, tmp_path / "out.mp4", (48, 64)) == 6
    after = decode(probe(str(tmp_path / "out.mp4")), np.arange(6)).astype(int)
    assert np.abs(after - frames).mean() < 4


def test_damage_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", moving(60), 25, options={"g": "12"})
    index = probe(str(tmp_path / "a.mp4"))
    content = bytearray((tmp_path / "a.mp4").read_bytes())
    middle = int(index.key_pos_G[2])
    content[middle + 40 : middle + 120] = bytes(range(80))
    (tmp_path / "b.mp4").write_bytes(content)
    damaged = probe(str(tmp_path / "b.mp4"))
    assert decode_all(index) == (60, 0)
    assert decode_all(damaged).num_corrupt > 0
    with pytest.raises(
        VideoError, match=r"frame \d+ (is damaged|or one soon after it does not decode)"
    ):
        transcode(damaged, tmp_path / "out.mp4", (48, 64))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.mp4", "b.mp4"]
