"""Videos inside other files: the same frames, read once, from here or from afar."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from stfw.types import VideoError
from stfw.video import blob
from stfw.video.audio import read_audio
from stfw.video.blob import Span, read_blob, whole
from stfw.video.decode import decode
from stfw.video.probe import probe
from stfw.video.writer import write_video
from tests.coordinate_video import write_coordinate_video
from tests.range_server import Server, serving

BEFORE = 1000  # bytes that are not the video's


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blob, "_last", None)
    monkeypatch.setattr(blob, "WAIT_SEC", 0.0)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_coordinate_video(tmp_path_factory.mktemp("blob") / "clip.mp4")


@pytest.fixture(scope="module")
def packed(clip: Path) -> tuple[Path, Span]:
    """A file with the clip in its middle."""
    content = clip.read_bytes()
    path = clip.with_name("shard.tar")
    path.write_bytes(os.urandom(BEFORE) + content + os.urandom(700))
    return path, (BEFORE, len(content))


@pytest.fixture
def server(clip: Path) -> Iterator[Server]:
    pytest.importorskip("aiohttp", reason="aiohttp is not installed")
    with serving(clip.parent) as made:
        yield made


def all_frames(path: str, span: Span | None = None) -> np.ndarray:
    index = probe(path, span)
    return decode(index, np.arange(index.info.num_frames))


def test_the_frames_are_those_of_the_file(clip: Path, packed: tuple[Path, Span]) -> None:
    path, span = packed
    inside, alone = probe(str(path), span), probe(str(clip))
    assert inside.span == span
    assert inside.info.num_frames == alone.info.num_frames
    np.testing.assert_array_equal(all_frames(str(path), span), all_frames(str(clip)))
    for number in (0, 29, 59):  # by way of a seek
        np.testing.assert_array_equal(decode(inside, [number]), decode(alone, [number]))


def test_the_sound_is_that_of_the_file(tmp_path: Path) -> None:
    clip, shard = tmp_path / "clip.mp4", tmp_path / "shard.tar"
    sound_L = np.sin(np.arange(32000) / 20).astype(np.float32) / 2
    write_video(clip, np.zeros((20, 32, 32, 3), np.uint8), 10, sound_L)
    content = clip.read_bytes()
    shard.write_bytes(b"x" * BEFORE + content)
    alone = read_audio(str(clip), 0.5, 1.5)
    inside = read_audio(str(shard), 0.5, 1.5, span=(BEFORE, len(content)))
    assert alone is not None
    np.testing.assert_array_equal(alone, inside)


def test_two_spans_of_a_file_are_two_videos(tmp_path: Path) -> None:
    contents, path = [], tmp_path / "shard.tar"
    for level in (40, 200):
        write_video(tmp_path / "clip.mp4", np.full((4, 32, 32, 3), level, np.uint8), 10)
        contents.append((tmp_path / "clip.mp4").read_bytes())
    path.write_bytes(b"".join(contents))
    first, second = map(len, contents)
    assert abs(int(all_frames(str(path), (0, first)).mean()) - 40) < 4
    assert abs(int(all_frames(str(path), (first, second)).mean()) - 200) < 4


def test_over_http_a_sample_is_one_request_of_its_own_bytes(
    packed: tuple[Path, Span], clip: Path, server: Server
) -> None:
    _, span = packed
    url = f"{server.url}/shard.tar"
    np.testing.assert_array_equal(all_frames(url, span), all_frames(str(clip)))
    assert server.requested == [("/shard.tar", span[1])]
    decode(probe(url, span), [3])
    assert len(server.requested) == 1


def test_a_url_of_a_video_of_its_own_is_read_when_asked_for(clip: Path, server: Server) -> None:
    url = f"{server.url}/clip.mp4"
    np.testing.assert_array_equal(all_frames(url, whole(url)), all_frames(str(clip)))
    with pytest.raises(VideoError) as caught:
        whole(f"{server.url}/none.mp4")
    assert caught.value.kind == "missing"


@pytest.mark.parametrize("before", ["", "simplecache::"])
def test_other_protocols_and_chains(
    before: str, packed: tuple[Path, Span], clip: Path, server: Server
) -> None:
    path, span = packed
    url = f"{before}{server.url}/shard.tar" if before else f"file://{path}"
    assert read_blob(url, span) == clip.read_bytes()


def child(url: str, span: Span, answers: multiprocessing.Queue[object]) -> None:
    try:
        answers.put(len(read_blob(url, span)))
    except VideoError as error:
        answers.put(error.reason)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork")
def test_a_forked_worker_reads_what_its_parent_has_begun_to(
    packed: tuple[Path, Span], server: Server
) -> None:
    _, span = packed
    url = f"{server.url}/shard.tar"
    read_blob(url, span)  # the parent's connection and threads do not work in a child
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    other = (span[0] + 1, span[1] - 1)
    process = context.Process(target=child, args=(url, other, answers), daemon=True)
    process.start()
    assert answers.get(timeout=30) == other[1]
    process.join()


def test_a_passing_failure_is_tried_again_and_a_lasting_one_is_told(
    packed: tuple[Path, Span], server: Server
) -> None:
    _, span = packed
    url = f"{server.url}/shard.tar"
    server.failures = [503, 503]
    assert len(read_blob(url, span)) == span[1]
    assert len(server.requested) == 3

    def fails(failures: list[int], words: str, num_requests: int) -> VideoError:
        blob._last, server.failures = None, failures
        server.requested.clear()
        with pytest.raises(VideoError, match=words) as caught:
            read_blob(url, span)
        assert len(server.requested) == num_requests
        return caught.value

    assert fails([503] * 3, "after 3 attempts", 3).kind == "open"
    assert fails([403], "cannot be read .*403", 1).kind == "open"
    assert fails([404], "no such file", 1).kind == "missing"
    server.knows_ranges = False
    assert fails([], r"whole files only, not parts \(HTTP Range\)", 1).kind == "open"


def test_mistakes_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="no such file") as caught:
        read_blob(str(tmp_path / "none.tar"), (0, 3))
    assert caught.value.kind == "missing"
    with pytest.raises(VideoError, match="no URL that can be read"):
        read_blob("nosuch://x/y.tar", (0, 3))
    (tmp_path / "short.tar").write_bytes(b"12345")
    with pytest.raises(VideoError, match="ends at byte 5, the index says 9"):
        read_blob(str(tmp_path / "short.tar"), (3, 6))


def test_what_was_kept_is_not_given_for_a_file_that_has_changed(tmp_path: Path) -> None:
    path = tmp_path / "shard.tar"
    path.write_bytes(b"old content")
    assert read_blob(str(path), (0, 3)) == b"old"
    path.write_bytes(b"new content, longer")
    assert read_blob(str(path), (0, 3)) == b"new"


def test_a_playlist_in_a_shard_opens_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_video(tmp_path / "secret.ts", np.zeros((4, 32, 32, 3), np.uint8), 10)
    monkeypatch.chdir(tmp_path)
    content = b"ffconcat version 1.0\nfile secret.ts\n"
    (tmp_path / "shard.tar").write_bytes(content)
    with pytest.raises(VideoError) as caught:
        probe(str(tmp_path / "shard.tar"), (0, len(content)))
    assert caught.value.kind == "open"
