"""Decoding gives exactly the frames asked for, on footage that knows its place and on real clips."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.reformatter import VideoReformatter

from stfw.types import VideoError
from stfw.video.decode import decode
from stfw.video.probe import VideoIndex, probe
from tests.coordinate_video import coordinate_frames, write_coordinate_video

KINDS = {
    "gop12.mp4": {"gop": 12},
    "gop12_b.mp4": {"gop": 12, "num_b_frames": 3},
    "intra.mp4": {"gop": 1},
    "gop250.mkv": {"gop": 250, "num_b_frames": 2},
    "late_start.mp4": {"gop": 10, "num_b_frames": 2, "start_frame": 125},
    "late_start.mkv": {"gop": 10, "start_frame": 125},
    "ffv1.avi": {"gop": 5},
}


def from_the_start(path: Path) -> list[np.ndarray]:
    """Every frame in the order of the decoder, upright: what any shortcut must equal."""
    reformatter, frames = VideoReformatter(), []
    with av.open(str(path)) as container:
        container.streams.video[0].thread_type = "NONE"
        for frame in container.decode(video=0):
            rgb = reformatter.reformat(
                frame, frame.width, frame.height, "rgb24", interpolation="BILINEAR", threads=1
            )
            frames.append(np.rot90(rgb.to_ndarray(), round(frame.rotation / 90) % 4))
    return frames


def selections(count: int, seed: int = 0) -> list[np.ndarray]:
    """Clips, sparse frames, the ends, repeats and disorder."""
    generator = np.random.default_rng(seed)
    clips = [np.arange(start, count, 2)[:16] for start in generator.integers(0, count, 3)]
    sparse = np.sort(generator.choice(count, min(8, count), replace=False))
    return [*clips, sparse, np.array([count - 1, 0]), np.array([count // 2] * 3)]


@pytest.mark.parametrize("name", KINDS)
def test_every_frame_of_the_coordinate_video_is_itself(tmp_path: Path, name: str) -> None:
    path = write_coordinate_video(tmp_path / name, **KINDS[name])
    index = probe(str(path))
    expected_THWC = coordinate_frames()
    assert index.info.num_frames == 60
    assert (index.info.height, index.info.width) == (48, 64)
    assert index.info.fps == pytest.approx(25)
    for frames in [np.arange(60), *selections(60)]:
        assert np.array_equal(decode(index, frames), expected_THWC[frames])


@pytest.mark.parametrize("folder", ["bench", "UCF-101", "hmdb51", "kinetics", "grid"])
def test_bit_equal_to_decoding_from_the_start(shared_videos: Path, folder: str) -> None:
    suffixes = (".mp4", ".avi", ".mkv", ".mpg")
    paths = sorted(p for p in (shared_videos / folder).rglob("*") if p.suffix in suffixes)
    assert paths
    for path in paths:
        index, expected = probe(str(path)), from_the_start(path)
        assert index.info.num_frames == len(expected), path.name
        for frames in selections(len(expected)):
            given = decode(index, frames)
            assert all(
                np.array_equal(one, expected[number])
                for one, number in zip(given, frames, strict=True)
            ), path.name


def test_packed_b_frames_are_counted_never_matched_by_time(shared_videos: Path) -> None:
    index = probe(str(shared_videos / "bench" / "mm_test.avi"))
    assert index.mode == "count"
    assert probe(str(shared_videos / "bench" / "k256_g12.mp4")).mode == "pts"


@pytest.mark.parametrize("name", ["video_90.mov", "video_180.mov", "h264_10bits.mp4"])
def test_odd_files_come_upright_and_whole(shared_videos: Path, name: str) -> None:
    path = shared_videos / "odd" / name
    index, expected = probe(str(path)), from_the_start(path)
    assert expected[0].shape == (index.info.height, index.info.width, 3)
    given = decode(index, np.arange(index.info.num_frames))
    assert np.array_equal(given, np.stack(expected))


def test_a_rotated_file_resizes_to_the_upright_size(shared_videos: Path) -> None:
    index = probe(str(shared_videos / "odd" / "video_90.mov"))
    assert index.info.height > index.info.width
    small = decode(index, np.array([0]), size=(142, 80))[0]
    native = decode(index, np.array([0]))[0]
    assert small.shape == (142, 80, 3)
    assert abs(small.mean() - native.mean()) < 3


def test_a_damaged_file_names_the_frame(shared_videos: Path) -> None:
    index = probe(str(shared_videos / "odd" / "corrupted.mp4"))
    with pytest.raises(VideoError, match=r"corrupted\.mp4: frame \d+ does not decode") as caught:
        decode(index, np.arange(index.info.num_frames))
    assert caught.value.kind == "decode"


def test_a_file_cut_short_is_no_shorter_video(tmp_path: Path) -> None:
    whole = write_coordinate_video(tmp_path / "whole.mkv", gop=10)
    index = probe(str(whole))
    whole.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(VideoError, match="does not decode"):
        decode(index, np.array([0, 59]))


def test_frames_that_are_not_there_are_refused(tmp_path: Path) -> None:
    index = probe(str(write_coordinate_video(tmp_path / "a.mp4", num_frames=10)))
    with pytest.raises(VideoError, match="frame 10 was asked for, there are 10"):
        decode(index, np.array([3, 10]))


def test_resizing_keeps_colours_in_place(tmp_path: Path) -> None:
    index = probe(str(write_coordinate_video(tmp_path / "a.mp4")))
    half_THWC = decode(index, np.array([7, 20]), size=(24, 32))
    assert half_THWC.shape == (2, 24, 32, 3)
    assert (half_THWC[..., 0] == np.array([7, 20])[:, None, None]).all()
    assert abs(int(half_THWC[0, 12, 16, 1]) - 24) <= 1
    assert abs(int(half_THWC[0, 12, 16, 2]) - 32) <= 1


def _decode_elsewhere(index: VideoIndex) -> np.ndarray:
    return decode(index, np.array([3, 30]))


def test_an_index_travels_to_a_spawned_process(tmp_path: Path) -> None:
    index = probe(str(write_coordinate_video(tmp_path / "a.mp4")))
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert np.array_equal(pool.apply(_decode_elsewhere, (index,)), coordinate_frames()[[3, 30]])
