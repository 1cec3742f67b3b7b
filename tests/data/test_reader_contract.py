"""What every reader keeps: its own toy layout is read back, whole and repeatably."""

from __future__ import annotations

import importlib
import inspect
import pickle
import pkgutil
from pathlib import Path
from typing import Any

import pytest

import stfw.data
from stfw.video.decode import decode
from stfw.video.probe import probe

SPLITS = ("train", "val", "test")


def readers() -> list[Any]:
    """Every class of stfw.data that can write its own layout: a new reader needs no entry here."""
    found = []
    for module in pkgutil.iter_modules(stfw.data.__path__, "stfw.data."):
        for _, item in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            if item.__module__ == module.name and hasattr(item, "write_toy"):
                found.append(item)
    return found


READERS = readers()


def test_the_readers_are_found() -> None:
    assert {"Folder", "Table", "Toy", "UCF101"} <= {reader.__name__ for reader in READERS}


@pytest.fixture(scope="module", params=READERS, ids=lambda reader: reader.__name__)
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    root = tmp_path_factory.mktemp("with space, (and) ä=1") / "new"
    return request.param, request.param.write_toy(root), root


def test_every_split_has_videos_and_training_has_every_class(written: Any) -> None:
    _, reader, _ = written
    assert len(reader.classes) >= 2
    assert len(set(reader.classes)) == len(reader.classes)
    assert all(reader.records(split) for split in SPLITS)
    trained = {record.label for record in reader.records("train")}
    assert trained == set(range(len(reader.classes)))


def test_ids_are_unique_labels_in_range_and_splits_apart(written: Any) -> None:
    _, reader, _ = written
    by_split = {split: reader.records(split) for split in SPLITS}
    everything = [record for records in by_split.values() for record in records]
    assert all(0 <= record.label < len(reader.classes) for record in everything)
    assert len({record.video_id for record in everything}) == len(everything)
    assert len({(record.path, record.span) for record in everything}) == len(everything)
    assert not any(Path(record.video_id).is_absolute() for record in everything)


def test_files_lie_under_root_and_decode(written: Any) -> None:
    _, reader, root = written
    for split in SPLITS:
        for record in reader.records(split):
            path = Path(record.path)
            assert path.is_absolute()
            assert path.is_relative_to(root)
        index = probe(record.path, record.span)
        frames_THWC = decode(index, [0, index.info.num_frames - 1])
        assert frames_THWC.shape == (2, index.info.height, index.info.width, 3)


def test_records_repeat_in_order_and_survive_a_worker(written: Any) -> None:
    cls, reader, root = written
    again = cls.write_toy(root)
    for split in SPLITS:
        assert again.records(split) == reader.records(split)
        assert reader.records(split) == reader.records(split)
    copied = pickle.loads(pickle.dumps(reader))
    assert copied.classes == reader.classes
    assert copied.records("train") == reader.records("train")


def test_a_caller_cannot_change_the_reader(written: Any) -> None:
    _, reader, _ = written
    count, classes = len(reader.records("train")), len(reader.classes)
    reader.records("train").clear()
    assert (len(reader.records("train")), len(reader.classes)) == (count, classes)


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.__name__)
def test_the_signature_is_the_schema(reader: Any) -> None:
    parameters = inspect.signature(reader).parameters.values()
    assert all(p.annotation is not p.empty for p in parameters)
    assert not any(p.kind in (p.VAR_KEYWORD, p.VAR_POSITIONAL) for p in parameters)
