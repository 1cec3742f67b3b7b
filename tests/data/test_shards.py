"""Shards: the same videos as the files, for WebDataset tools too, here and over HTTP."""

from __future__ import annotations

import http.server
import json
import re
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from stfw.data.folder import Folder
from stfw.data.shard_writer import plan_shards, write_shards
from stfw.data.shards import Shards
from stfw.types import Record, UserError, VideoError
from stfw.video.decode import decode
from stfw.video.probe import probe

SPLITS = ("train", "val", "test")


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Folder, Path]:
    root = tmp_path_factory.mktemp("packed")
    Folder.write_toy(root / "videos")
    reader = Folder(str(root / "videos"), val_fraction=0.25, test_fraction=0.25)
    write_shards(reader, root / "shards", max_bytes=3000)
    return reader, root / "shards"


def all_frames(record: Record) -> np.ndarray:
    index = probe(record.path, record.span)
    return decode(index, np.arange(index.info.num_frames))


def test_samples_are_those_that_were_packed(packed: tuple[Folder, Path]) -> None:
    reader, folder = packed
    shards = Shards(str(folder))
    assert shards.classes == reader.classes
    for split in SPLITS:
        ours, theirs = reader.records(split), shards.records(split)  # type: ignore[arg-type]
        assert [(r.video_id, r.label) for r in ours] == [(r.video_id, r.label) for r in theirs]
        for one, other in zip(ours, theirs, strict=True):
            assert np.array_equal(all_frames(one), all_frames(other))


def test_they_are_what_webdataset_reads(packed: tuple[Folder, Path]) -> None:
    reader, folder = packed
    seen = {}
    for path in sorted(folder.glob("train-*.tar")):
        samples: dict[str, dict[str, bytes]] = {}
        with tarfile.open(path) as tar:
            for member in tar:  # in order: all of a key stand together
                key, _, suffix = member.name.partition(".")
                content = tar.extractfile(member)
                assert content is not None
                samples.setdefault(key, {})[suffix] = content.read()
        for sample in samples.values():
            assert set(sample) == {"mp4", "cls", "json"}
            told = json.loads(sample["json"])
            seen[told["video_id"]] = (sample["mp4"], int(sample["cls"]), told["classes"])
    for record in reader.records("train"):
        content, label, classes = seen.pop(record.video_id)
        assert content == Path(record.path).read_bytes()
        assert label == record.label
        assert classes == [reader.classes[label]]
    assert not seen


def test_packing_again_gives_the_same_bytes_and_keeps_what_stands(
    packed: tuple[Folder, Path], tmp_path: Path
) -> None:
    reader, folder = packed
    write_shards(reader, tmp_path, max_bytes=3000)
    assert (tmp_path / "index.json").read_bytes() == (folder / "index.json").read_bytes()
    first, *others = sorted(tmp_path.glob("*.tar"))
    kept = {path: path.stat().st_mtime_ns for path in others}
    first.write_bytes(first.read_bytes()[:-512])  # cut short
    (tmp_path / "train-00009.tar.part").write_bytes(b"half")
    write_shards(reader, tmp_path, max_bytes=3000)
    assert first.read_bytes() == (folder / first.name).read_bytes()
    assert {path: path.stat().st_mtime_ns for path in others} == kept
    assert not list(tmp_path.glob("*.part"))


def test_a_shard_holds_so_many_bytes_and_no_video_is_torn() -> None:
    records = [Record(f"{n}", __file__, 0) for n in range(5)]
    size = Path(__file__).stat().st_size
    plans = list(plan_shards({"train": records}, ["a"], Path("x"), max_bytes=2 * size))
    assert [[r.video_id for r in plan.records] for plan in plans] == [["0", "1"], ["2", "3"], ["4"]]
    assert [plan.first for plan in plans] == [0, 2, 4]
    plans = list(plan_shards({"train": records}, ["a"], Path("x"), max_bytes=1))
    assert [len(plan.records) for plan in plans] == [1] * 5


def test_parts_and_several_labels_are_kept(tmp_path: Path) -> None:
    Folder.write_toy(tmp_path / "videos")
    path = str(next((tmp_path / "videos").rglob("*.mp4")))
    record = Record("a#0.5-1.0", path, (0, 2), 0.5, 1.0, "scene")

    class Given:
        classes = ["x", "y", "z"]  # noqa: RUF012

        def records(self, split: str) -> list[Record]:
            return [record] if split == "train" else []

    write_shards(Given(), tmp_path / "shards", max_bytes=10**6)
    found = Shards(str(tmp_path / "shards")).records("train")[0]
    assert (found.video_id, found.label, found.group) == (record.video_id, (0, 2), "scene")
    assert (found.start_sec, found.end_sec) == (0.5, 1.0)


class Ranges(http.server.SimpleHTTPRequestHandler):
    """Serves parts of files, as object stores do."""

    def do_GET(self) -> None:
        content = Path(self.translate_path(self.path)).read_bytes()
        match = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if match:
            first, last = int(match[1]), int(match[2])
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(content)}")
            content = content[first : last + 1]
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        self.server.requested.append((self.path, len(content)))  # type: ignore[attr-defined]

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(packed: tuple[Folder, Path]) -> Iterator[http.server.ThreadingHTTPServer]:
    handler = partial(Ranges, directory=str(packed[1]))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as made:
        made.requested = []  # type: ignore[attr-defined]
        thread = threading.Thread(target=made.serve_forever, daemon=True)
        thread.start()
        yield made
        made.shutdown()


def test_over_http_only_the_videos_own_bytes_travel(
    packed: tuple[Folder, Path], server: http.server.ThreadingHTTPServer
) -> None:
    pytest.importorskip("aiohttp", reason="aiohttp is not installed")
    reader, _ = packed
    shards = Shards(f"http://127.0.0.1:{server.server_address[1]}")
    for one, other in zip(reader.records("train"), shards.records("train"), strict=True):
        server.requested.clear()  # type: ignore[attr-defined]
        assert np.array_equal(all_frames(one), all_frames(other))
        # looked at and decoded: read once, and no byte more
        sent = [size for _, size in server.requested]  # type: ignore[attr-defined]
        assert sent == [Path(one.path).stat().st_size]


def test_a_server_that_is_gone_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("aiohttp", reason="aiohttp is not installed")
    monkeypatch.setattr("stfw.video.blob.WAIT_SEC", 0.0)
    with pytest.raises(VideoError, match="cannot be read after 3 attempts"):
        probe("http://127.0.0.1:9/x.tar", (0, 10))
    with pytest.raises(UserError, match=r"index\.json cannot be read"):
        Shards("http://127.0.0.1:9/set")


def test_damage_is_told(packed: tuple[Folder, Path], tmp_path: Path) -> None:
    reader, _ = packed
    write_shards(reader, tmp_path, max_bytes=3000)
    index = json.loads((tmp_path / "index.json").read_text())

    def refused(change: dict, words: str) -> None:
        (tmp_path / "index.json").write_text(json.dumps({**index, **change}))
        with pytest.raises(UserError, match=words):
            Shards(str(tmp_path))

    refused({"version": 99}, "has version 99")
    refused({"shards": [{**index["shards"][0], "name": "../x.tar"}]}, r"named '\.\./x\.tar'; refus")
    refused({"shards": [{**index["shards"][0], "size": 1}]}, "the index says 1")
    refused({"shards": [{**index["shards"][0], "name": "gone.tar"}]}, r"gone\.tar is missing")
    (tmp_path / "index.json").write_text("{")
    with pytest.raises(UserError, match="is damaged"):
        Shards(str(tmp_path))
    with pytest.raises(UserError, match="give a folder made by stfw data pack"):
        Shards(str(tmp_path / "none"))
