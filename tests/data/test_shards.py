"""Shards: the same videos as the files, for WebDataset tools too, here and over HTTP."""

from __future__ import annotations

import json
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from torch.utils.data import DataLoader, Dataset

from stfw.data.folder import Folder
from stfw.data.shard_writer import plan_shards, write_shards
from stfw.data.shards import Shards
from stfw.types import Record, UserError, VideoError
from stfw.video.blob import read_blob
from stfw.video.decode import decode
from stfw.video.probe import probe
from tests.range_server import Server, serving

SPLITS = ("train", "val", "test")


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Folder, Path]:
    root = tmp_path_factory.mktemp("packed")
    Folder.write_toy(root / "videos")
    reader = Folder(str(root / "videos"), val_fraction=0.25, test_fraction=0.25)
    write_shards(reader, root / "shards", max_bytes=3000)
    return reader, root / "shards"


class Given:
    """A reader of some training records."""

    def __init__(self, records: list[Record]) -> None:
        self.classes, self.train = ["x", "y", "z"], records

    def records(self, split: str) -> list[Record]:
        return self.train if split == "train" else []


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
    write_shards(reader, tmp_path, max_bytes=3000)
    assert first.read_bytes() == (folder / first.name).read_bytes()
    assert {path: path.stat().st_mtime_ns for path in others} == kept


def test_a_shard_of_other_keys_is_not_kept(packed: tuple[Folder, Path], tmp_path: Path) -> None:
    """The second shard's video is the same, its number is not."""
    Folder.write_toy(tmp_path / "videos")
    paths = [str(p) for p in sorted((tmp_path / "videos").rglob("*.mp4"))]
    a, b, c = (Record(name, path, 0) for name, path in zip("abc", paths, strict=False))
    small = Path(paths[0]).stat().st_size  # all are about as large: a shard holds one or two
    write_shards(Given([a, b, c]), tmp_path / "out", max_bytes=2 * small + 500)
    assert len(list((tmp_path / "out").glob("*.tar"))) == 2
    write_shards(Given([a, c]), tmp_path / "fresh", max_bytes=1)
    write_shards(Given([a, c]), tmp_path / "out", max_bytes=1)
    for name in ("train-00000.tar", "train-00001.tar", "index.json"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "fresh" / name).read_bytes()


def test_shards_of_another_packing_are_not_mixed_in(
    packed: tuple[Folder, Path], tmp_path: Path
) -> None:
    reader, _ = packed
    write_shards(reader, tmp_path, max_bytes=1)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(UserError, match=r"holds train-00001\.tar, of another packing"):
        write_shards(reader, tmp_path, max_bytes=10**6)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_only_its_own_unfinished_files_are_removed(
    packed: tuple[Folder, Path], tmp_path: Path
) -> None:
    for name in ("train-00009.tar.part", "index.json.part", "download.part"):
        (tmp_path / name).write_bytes(b"half")
    write_shards(packed[0], tmp_path, max_bytes=3000)
    assert [path.name for path in tmp_path.glob("*.part")] == ["download.part"]


def test_a_shard_holds_so_many_bytes_and_no_video_is_torn() -> None:
    records = [Record(f"{n}", __file__, 0) for n in range(5)]
    size = Path(__file__).stat().st_size
    plans = list(plan_shards({"train": records}, ["a"], Path("x"), max_bytes=2 * size))
    assert [[r.video_id for r in plan.records] for plan in plans] == [["0", "1"], ["2", "3"], ["4"]]
    assert [plan.first for plan in plans] == [0, 2, 4]
    plans = list(plan_shards({"train": records}, ["a"], Path("x"), max_bytes=1))
    assert [len(plan.records) for plan in plans] == [1] * 5


def test_what_cannot_be_packed_is_refused(packed: tuple[Folder, Path], tmp_path: Path) -> None:
    shards = Shards(str(packed[1]))
    with pytest.raises(UserError, match="lies in a shard already"):
        write_shards(shards, tmp_path / "again", max_bytes=3000)
    pictures = Record("p", str(tmp_path / "img_%05d.jpg"), 0)
    with pytest.raises(UserError, match="folders of pictures are not packed"):
        write_shards(Given([pictures]), tmp_path / "again", max_bytes=3000)
    gone = Record("gone", str(tmp_path / "gone.mp4"), 0)
    with pytest.raises(UserError, match=r"gone\.mp4: No such file"):
        write_shards(Given([gone]), tmp_path / "again", max_bytes=3000)
    assert not (tmp_path / "again").exists()


def test_parts_and_several_labels_are_kept(tmp_path: Path) -> None:
    Folder.write_toy(tmp_path / "videos")
    path = str(next((tmp_path / "videos").rglob("*.mp4")))
    record = Record("a#0.5-1.0", path, (0, 2), 0.5, 1.0, "scene")

    write_shards(Given([record]), tmp_path / "shards", max_bytes=10**6)
    found = Shards(str(tmp_path / "shards")).records("train")[0]
    assert (found.video_id, found.label, found.group) == (record.video_id, (0, 2), "scene")
    assert (found.start_sec, found.end_sec) == (0.5, 1.0)


@pytest.fixture
def server(packed: tuple[Folder, Path]) -> Iterator[Server]:
    pytest.importorskip("aiohttp", reason="aiohttp is not installed")
    with serving(packed[1]) as made:
        yield made


def test_over_http_only_the_videos_own_bytes_travel(
    packed: tuple[Folder, Path], server: Server
) -> None:
    reader, _ = packed
    shards = Shards(server.url)
    assert [path for path, _ in server.requested] == ["/index.json"]
    for one, other in zip(reader.records("train"), shards.records("train"), strict=True):
        server.requested.clear()
        assert np.array_equal(all_frames(one), all_frames(other))
        # looked at and decoded: read once, and no byte more
        assert [size for _, size in server.requested] == [Path(one.path).stat().st_size]


def test_workers_read_over_http_too(packed: tuple[Folder, Path], server: Server) -> None:
    records = Shards(server.url + "/").records("train")  # read in this process, before the workers
    sizes = DataLoader(Sizes(records), num_workers=2, batch_size=None)  # as Python starts them
    assert [int(size) for size in sizes] == [record.span[1] for record in records if record.span]


class Sizes(Dataset[int]):
    """How many bytes come for each record."""

    def __init__(self, records: list[Record]) -> None:
        self.records = records

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, number: int) -> int:
        record = self.records[number]
        assert record.span is not None
        return len(read_blob(record.path, record.span))


def test_a_server_that_is_gone_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("aiohttp", reason="aiohttp is not installed")
    monkeypatch.setattr("stfw.video.blob.WAIT_SEC", 0.0)
    with pytest.raises(VideoError, match="cannot be read after 3 attempts"):
        probe("http://127.0.0.1:9/x.tar", (0, 10))
    with pytest.raises(UserError, match=r"index\.json cannot be read"):
        Shards("http://127.0.0.1:9/set")


@pytest.fixture
def folder(packed: tuple[Folder, Path], tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(packed[1], tmp_path / "copy"))


def test_shards_that_do_not_fit_the_index_are_told(folder: Path) -> None:
    shard = folder / "train-00000.tar"
    content = shard.read_bytes()
    shard.write_bytes(content[:-512])
    size = len(content)
    with pytest.raises(UserError, match=f"has {size - 512} bytes, the index says {size}"):
        Shards(str(folder))
    shard.unlink()
    with pytest.raises(UserError, match=r"train-00000\.tar is missing"):
        Shards(str(folder))
