"""Decoding is bit-equal to decoding from the start, and fails in words."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import av
import numpy as np
import pytest

from stfw.types import VideoError
from stfw.video import decode as decode_module
from stfw.video.decode import decode
from stfw.video.probe import VideoIndex, probe
from stfw.video.writer import write_video
from tests.coordinate_video import coordinate_frames, write_coordinate_video
from tests.video.exactness import from_the_start, some_frames

REAL = [
    "bench/k256_g12.mp4",  # B-frames, short groups
    "bench/k256_g250.mp4",
    "bench/mm_test.avi",  # packed B-frames, time stamps out of order
    "bench/ucf_mpeg4_g12.avi",
    "bench/ucf_xvid_g300.avi",  # two empty leading packets
    "UCF-101/BaseballPitch/v_BaseballPitch_g01_c01.avi",
    "hmdb51/wave/TrumanShow_wave_f_nm_np1_fr_med_26.avi",  # declares a frame too many
    "kinetics/SOX5yA1l24A.mp4",
    "kinetics/flipping_a_pancake.mkv",
    "grid/bbaf2n.mpg",
    "odd/h265_video.mp4",
    "odd/av1_video.mkv",
    "odd/h264_10bits.mp4",
    "odd/unordered.mov",
    "odd/video_90.mov",
]


@pytest.fixture
def sequential_passes(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Grows by one whenever seeking failed and a file was read from its start instead."""
    passes: list[bool] = []
    collect = decode_module._collect

    def noting(index, wanted_U, size, fast, strict):  # type: ignore[no-untyped-def]
        if not fast:
            passes.append(True)
        return collect(index, wanted_U, size, fast, strict)

    monkeypatch.setattr(decode_module, "_collect", noting)
    return passes


@pytest.mark.parametrize("name", REAL)
def test_real_files_are_exact_without_reading_from_the_start(
    name: str, shared_videos: Path, sequential_passes: list[bool]
) -> None:
    path = shared_videos / name
    want_FHWC = from_the_start(path)
    index = probe(str(path))
    assert index.info.num_frames == len(want_FHWC)
    assert (index.info.height, index.info.width) == want_FHWC.shape[1:3]
    for frames in some_frames(len(want_FHWC), index.keys_G):
        np.testing.assert_array_equal(decode(index, frames), want_FHWC[frames], err_msg=str(frames))
    assert not sequential_passes


STRUCTURES = [
    *[("libx264rgb", gop, b) for gop, b in ((1, 0), (12, 0), (5, 1), (12, 3), (99, 2))],
    ("libx265", 12, 3),
    ("ffv1", 12, 0),
]


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv", "avi"])
@pytest.mark.parametrize(("codec", "gop", "num_b_frames"), STRUCTURES)
def test_every_pixel_says_where_it_was(
    codec: str,
    gop: int,
    num_b_frames: int,
    suffix: str,
    tmp_path: Path,
    sequential_passes: list[bool],
) -> None:
    if (codec, suffix) in {("ffv1", "mov"), ("libx265", "avi")}:
        pytest.skip("no such combination")
    path = tmp_path / f"coordinates.{suffix}"
    write_coordinate_video(path, gop=gop, num_b_frames=num_b_frames, codec=codec)
    want_FHWC = coordinate_frames()
    index = probe(str(path))
    assert index.info.num_frames == len(want_FHWC)
    for frames in some_frames(len(want_FHWC), index.keys_G):
        np.testing.assert_array_equal(decode(index, frames), want_FHWC[frames], err_msg=str(frames))
    assert not sequential_passes


def test_the_coordinate_video_has_the_structure_it_promises(tmp_path: Path) -> None:
    path = tmp_path / "coordinates.mp4"
    write_coordinate_video(path, num_frames=24, gop=12, num_b_frames=2)
    with av.open(str(path)) as container:
        kinds = "".join("?IPB"[int(frame.pict_type)] for frame in container.decode(video=0))
    assert kinds[0] == kinds[12] == "I"
    assert kinds[1:3] == "BB"


def test_order_and_repeats_are_the_askers(tmp_path: Path) -> None:
    index = probe(str(write_coordinate_video(tmp_path / "a.mp4", num_b_frames=2)))
    frames = np.array([30, 3, 3, 59, 0, 30])
    np.testing.assert_array_equal(decode(index, frames), coordinate_frames()[frames])
    assert decode(index, np.array([], int)).shape == (0, 48, 64, 3)


def test_seeking_saves_decoding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "coordinates.mp4"
    write_coordinate_video(path, num_frames=200, gop=10, num_b_frames=2)
    index, decoded = probe(str(path)), []
    outputs = decode_module._outputs
    monkeypatch.setattr(
        decode_module,
        "_outputs",
        lambda *a: (decoded.append(1) or each for each in outputs(*a)),
    )
    decode(index, np.array([5, 195]))
    assert len(decoded) < 25


@pytest.mark.parametrize("turned", [False, True])
def test_resizing_is_upright_and_close_to_the_mean(turned: bool, shared_videos: Path) -> None:
    name = "odd/video_90.mov" if turned else "bench/k256_g12.mp4"
    index = probe(str(shared_videos / name))
    native = decode(index, np.array([0]))[0].astype(float)
    height, width = index.info.height // 4, index.info.width // 4
    small = decode(index, np.array([0]), (height, width))[0].astype(float)
    assert small.shape == (height, width, 3)
    blocks = native[: height * 4, : width * 4].reshape(height, 4, width, 4, 3).mean((1, 3))
    assert np.abs(small - blocks).mean() < 4


def test_resizing_keeps_colours_in_place(tmp_path: Path) -> None:
    index = probe(str(write_coordinate_video(tmp_path / "a.mp4")))
    half_THWC = decode(index, np.array([7, 20]), size=(24, 32)).astype(int)
    assert half_THWC.shape == (2, 24, 32, 3)
    assert (half_THWC[..., 0] == np.array([7, 20])[:, None, None]).all()
    assert abs(half_THWC[0, 12, 16, 1:] - [24, 32]).max() <= 1


def test_packed_b_frames_are_counted_never_matched_by_time(shared_videos: Path) -> None:
    assert probe(str(shared_videos / "bench/mm_test.avi")).mode == "count"
    assert probe(str(shared_videos / "bench/k256_g12.mp4")).mode == "pts"


def test_rotated_footage_comes_upright(tmp_path: Path) -> None:
    upright = np.zeros((2, 64, 48, 3), np.uint8)
    upright[:, :32, :, 0] = 255  # the upper half is red
    path = tmp_path / "turned.mp4"
    write_video(path, np.rot90(upright, 1, axes=(1, 2)), 25)
    content = path.read_bytes()
    identity = np.array([1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30], ">i4").tobytes()
    quarter = np.array([0, 1 << 16, 0, -(1 << 16), 0, 0, 64 << 16, 0, 1 << 30], ">i4").tobytes()
    place = content.index(identity, content.index(b"tkhd"))
    path.write_bytes(content[:place] + quarter + content[place + len(identity) :])
    index = probe(str(path))
    assert (index.info.height, index.info.width) == (64, 48)
    frame_HWC = decode(index, np.array([1]))[0].astype(int)
    assert frame_HWC[:28, :, 0].min() > 200
    assert frame_HWC[36:].max() < 55


def test_numbers_outside_the_file_are_refused(tmp_path: Path) -> None:
    index = probe(str(write_coordinate_video(tmp_path / "a.mp4")))
    for number in (-1, 60):
        with pytest.raises(VideoError, match=f"frame {number} was asked for, there are") as caught:
            decode(index, np.array([0, number]))
        assert caught.value.kind == "short"


def _last_frame(index: VideoIndex) -> np.ndarray:
    return decode(index, np.array([index.info.num_frames - 1]))[0]


def test_an_index_and_an_error_travel_between_spawned_processes(tmp_path: Path) -> None:
    path = write_coordinate_video(tmp_path / "a.mp4")
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        found_HWC = pool.apply(_last_frame, (probe(str(path)),))
        np.testing.assert_array_equal(found_HWC, coordinate_frames()[-1])
        with pytest.raises(VideoError) as caught:
            pool.apply(probe, (str(tmp_path / "absent.mp4"),))
    assert caught.value.kind == "missing"


def test_coordinates_are_coordinates() -> None:
    assert coordinate_frames(5, 6, 7)[4, 3, 2].tolist() == [4, 3, 2]
