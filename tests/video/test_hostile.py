"""Files that mislead: odd structures, wrong time stamps, encryption, playlists."""

from __future__ import annotations

import socket
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from stfw.types import VideoError
from stfw.video.decode import decode
from stfw.video.probe import probe
from stfw.video.writer import write_video
from tests.coordinate_video import write_coordinate_video
from tests.video.exactness import from_the_start, some_frames

HOSTILE = {
    "open_groups.mp4": ("libx264", {"x264-params": "open-gop=1:keyint=12:bframes=3:scenecut=0"}),
    "open_groups.ts": ("libx264", {"x264-params": "open-gop=1:keyint=12:bframes=3:scenecut=0"}),
    "no_key_frames.mp4": ("libx264", {"x264-params": "intra-refresh=1:keyint=12:bframes=0"}),
    "hidden_frames.webm": (
        "libvpx",
        {"auto-alt-ref": "1", "lag-in-frames": "16", "g": "20", "cpu-used": "5", "b": "200k"},
    ),
    "mpeg4.mkv": ("mpeg4", {"bf": "2", "g": "12"}),
    "mpeg2.ts": ("mpeg2video", {"bf": "2", "g": "12"}),
    "stateful.wmv": ("wmv2", {"g": "12"}),
}


def moving_texture(num_frames: int) -> np.ndarray:
    """uint8 T 64 96 3: something that a codec cannot predict perfectly."""
    noise = np.random.default_rng(0).integers(0, 255, (20, 40, 3), np.uint8)
    scene = noise.repeat(8, axis=0).repeat(8, axis=1)
    return np.stack([scene[2 * t % 90 :][:64, 3 * t % 200 :][:, :96] for t in range(num_frames)])


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_structures_are_exact(name: str, tmp_path: Path) -> None:
    codec, options = HOSTILE[name]
    path = tmp_path / name
    write_video(path, moving_texture(60), 25, codec=codec, options=options)
    want_FHWC = from_the_start(path)
    index = probe(str(path))
    assert index.info.num_frames == len(want_FHWC) == 60
    for frames in some_frames(60, np.arange(0, 60, 12)):
        np.testing.assert_array_equal(decode(index, frames), want_FHWC[frames], err_msg=str(frames))


@pytest.mark.parametrize(
    ("codec", "pixel_format", "width"),
    [("libx264", "gray", 96), ("libx265", "yuv420p10le", 96), ("libx264", "yuv444p", 93)],
)
def test_gray_ten_bit_and_odd_sizes_become_rgb_whatever_the_suffix(
    codec: str, pixel_format: str, width: int, tmp_path: Path
) -> None:
    made = tmp_path / "made.mp4"
    scene_FHWC = moving_texture(30)[:, :, :width]
    write_video(made, scene_FHWC, 25, codec=codec, pixel_format=pixel_format)
    path = made.rename(tmp_path / "other.avi")
    frames_FHWC = decode(probe(str(path)), np.arange(30))
    assert (frames_FHWC.dtype, frames_FHWC.shape) == (np.uint8, (30, 64, width, 3))
    np.testing.assert_array_equal(frames_FHWC, from_the_start(path))
    grey = (scene_FHWC.mean(axis=-1), frames_FHWC.mean(axis=-1))
    assert np.abs(grey[0] - grey[1]).mean() < (40 if pixel_format == "gray" else 12)


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_time_stamps_in_order_of_decoding_are_not_believed(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"wrong_times.{suffix}"
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25, options={"g": "12", "bf": "2"})
        video.width, video.height, video.pix_fmt = 96, 64, "yuv420p"
        packets = []
        for number, frame_HWC in enumerate(moving_texture(40)):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame_HWC), "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            packets += video.encode(frame)
        for number, packet in enumerate(packets + video.encode()):
            packet.pts = packet.dts = number
            container.mux(packet)
    want_FHWC = from_the_start(path)
    np.testing.assert_array_equal(decode(probe(str(path)), np.arange(40)), want_FHWC)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
@pytest.mark.parametrize("shift", [2500, -40])
def test_a_late_or_early_start_moves_no_frame(suffix: str, shift: int, tmp_path: Path) -> None:
    source = write_coordinate_video(tmp_path / "source.mp4", num_b_frames=2)
    path = tmp_path / f"shifted.{suffix}"
    with av.open(str(source)) as reading, av.open(str(path), "w") as writing:
        video = writing.add_stream_from_template(reading.streams.video[0])
        for packet in reading.demux(video=0):
            if packet.size:
                moved = round(shift / 25 / packet.time_base)
                packet.pts, packet.dts = packet.pts + moved, packet.dts + moved
                packet.stream = video
                writing.mux(packet)
    want_FHWC = from_the_start(path)
    index = probe(str(path))
    assert index.info.num_frames == len(want_FHWC)
    for frames in some_frames(len(want_FHWC), index.keys_G):
        np.testing.assert_array_equal(decode(index, frames), want_FHWC[frames])


def test_a_change_of_size_keeps_the_first_size(tmp_path: Path) -> None:
    parts = []
    for number, (height, width) in enumerate([(48, 64), (72, 96)]):
        part = tmp_path / f"part{number}.ts"
        write_video(part, np.full((10, height, width, 3), 100 + 100 * number, np.uint8), 25)
        parts.append(part.read_bytes())
    path = tmp_path / "joined.ts"
    path.write_bytes(b"".join(parts))
    index = probe(str(path))
    frames_FHWC = decode(index, np.arange(index.info.num_frames))
    assert frames_FHWC.shape == (20, 48, 64, 3)
    assert abs(int(frames_FHWC[0].mean()) - 100) < 5
    assert abs(int(frames_FHWC[-1].mean()) - 200) < 5


def test_an_encrypted_file_says_so(shared_videos: Path) -> None:
    with pytest.raises(VideoError, match="encrypted"):
        probe(str(shared_videos / "odd/mp4__testdata__cbcs.mp4"))


def test_a_playlist_reaches_no_network(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}/a.ts"
        path = tmp_path / "list.m3u8"
        path.write_text(
            f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{address}\n#EXT-X-ENDLIST\n"
        )
        for name in (str(path), address):
            with pytest.raises(VideoError):
                probe(name)
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()


def test_a_small_file_of_a_huge_picture_is_refused_from_its_header(tmp_path: Path) -> None:
    path, side = tmp_path / "bomb.mp4", 8320  # just above the cap
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=1, options={"preset": "ultrafast"})
        video.width = video.height = side
        video.pix_fmt = "gray"
        frame = av.VideoFrame(side, side, "gray")
        frame.planes[0].update(bytes(frame.planes[0].buffer_size))
        frame.pts = 0
        container.mux(video.encode(frame))
        container.mux(video.encode())
    with pytest.raises(VideoError, match="8320x8320") as caught:
        probe(str(path))
    assert caught.value.kind == "too_large"
