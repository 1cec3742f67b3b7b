"""Damaged files: frames come exact, or not at all."""

from __future__ import annotations

import itertools
from pathlib import Path

import av
import numpy as np
import pytest

from stfw.types import VideoError
from stfw.video.decode import decode
from stfw.video.details import decode_all
from stfw.video.probe import probe
from stfw.video.writer import write_video
from tests.coordinate_video import write_coordinate_video
from tests.video.exactness import from_the_start
from tests.video.test_hostile import moving_texture


def with_table_first(path: Path) -> None:
    """The same packets behind the table of frames, as for playing while loading."""
    fast = path.with_name("fast.mp4")
    options = {"movflags": "faststart"}
    with av.open(str(path)) as reading, av.open(str(fast), "w", options=options) as writing:
        video = writing.add_stream_from_template(reading.streams.video[0])
        for packet in reading.demux(video=0):
            if packet.size:
                packet.stream = video
                writing.mux(packet)
    fast.replace(path)


def test_a_damaged_frame_is_an_error_and_the_others_are_exact(tmp_path: Path) -> None:
    path = tmp_path / "damaged.mp4"
    write_video(path, moving_texture(60), 25, options={"g": "10"})
    want_FHWC = from_the_start(path)
    index = probe(str(path))
    content = bytearray(path.read_bytes())
    begin, end = int(index.key_pos_G[2]), int(index.key_pos_G[3])
    content[begin:end] = np.random.default_rng(0).bytes(end - begin)
    path.write_bytes(content)
    index = probe(str(path))
    with pytest.raises(VideoError) as caught:
        decode(index, np.arange(20, 30))
    assert caught.value.kind == "decode"
    assert str(path) in str(caught.value)
    np.testing.assert_array_equal(decode(index, np.arange(40, 50)), want_FHWC[40:50])
    for number in range(60):  # an error or the truth, never something else
        try:
            frame_HWC = decode(index, np.array([number]))[0]
        except VideoError:
            continue
        np.testing.assert_array_equal(frame_HWC, want_FHWC[number], err_msg=str(number))


@pytest.mark.parametrize("part", [0.5, 0.8, 0.9])
@pytest.mark.parametrize("name", ["cut.avi", "cut.mp4"])
def test_a_file_cut_short_is_no_shorter_video(name: str, part: float, tmp_path: Path) -> None:
    path = tmp_path / name
    write_video(path, moving_texture(60), 25, codec="mpeg4")
    if path.suffix == ".mp4":
        with_table_first(path)  # it survives the cut, and tells of frames that do not
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * part)])
    with pytest.raises(VideoError, match="cut short") as caught:
        probe(str(path))
    assert caught.value.kind == "decode"


def test_a_file_that_shrank_after_it_was_indexed_is_no_shorter_video(tmp_path: Path) -> None:
    path = write_coordinate_video(tmp_path / "whole.mkv")
    index = probe(str(path))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(VideoError, match="does not decode"):
        decode(index, np.array([0, 59]))


def test_damage_that_a_decoder_would_paint_over_is_refused_when_strict(tmp_path: Path) -> None:
    path = tmp_path / "damaged.mp4"
    write_video(path, moving_texture(60), 25, options={"g": "10"})
    want_FHWC = from_the_start(path)
    whole = path.read_bytes()
    index = probe(str(path))
    draw = np.random.default_rng(0)
    wrong = {True: 0, False: 0}
    for _ in range(20):
        content = bytearray(whole)
        for place in draw.integers(int(index.key_pos_G[1]), int(index.key_pos_G[5]), 3):
            content[place] ^= int(draw.integers(1, 256))
        path.write_bytes(content)
        index = probe(str(path))
        refused = 0
        for strict, begin in itertools.product(wrong, range(0, 60, 5)):
            frames = np.arange(begin, begin + 5)
            try:
                got_FHWC = decode(index, frames, strict=strict)
            except VideoError:
                refused += strict
            else:
                wrong[strict] += not np.array_equal(got_FHWC, want_FHWC[frames])
        assert (decode_all(index).num_corrupt > 0) == bool(refused)  # what a scan counts
    assert wrong[True] < wrong[False], wrong
    path.write_bytes(whole)
    np.testing.assert_array_equal(decode(probe(str(path)), np.arange(60), strict=True), want_FHWC)


def test_damage_in_a_real_clip_is_counted(shared_videos: Path) -> None:
    index = probe(str(shared_videos / "odd/corrupted.mp4"))
    assert index.info.num_frames > decode_all(index).num_decoded
    assert decode_all(index).num_corrupt == 2


def test_a_length_that_no_header_tells_is_counted_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STFW_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "a.h264"  # a bare stream: no table, no length, no times
    write_video(path, moving_texture(33), 25)
    with av.open(str(path)) as container:
        assert (container.streams.video[0].frames, container.duration) == (0, None)
    assert probe(str(path)).info.num_frames == 33
    monkeypatch.setattr(av, "open", lambda *_, **__: pytest.fail("the file was opened again"))
    assert probe(str(path)).info.num_frames == 33
