"""What every reader keeps: its own toy layout is read back, whole and repeatably."""

from __future__ import annotations

import importlib
import inspect
import pickle
import pkgutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import stfw.data
from stfw.config import conf_dir
from stfw.data.annotations import Annotations
from stfw.data.table import Table
from stfw.data.toy_render import write_pictures
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


def write_rawframes(root: Path) -> Annotations:
    """MMAction's raw-frame lists; one folder has a space in its name."""
    lines = []
    for number in range(4):
        frames_THWC = np.full((5, 16, 16, 3), 40 * number, np.uint8)
        write_pictures(root / f"clip {number}x", "img_%05d.jpg", frames_THWC, first=1)
        lines.append(f"clip {number}x 5 {number % 2}\n")
    for name, listed in (("train", lines[:2]), ("val", lines[2:3]), ("test", lines[3:])):
        (root / f"{name}.txt").write_text("".join(listed))
    lists = (str(root / f"{name}.txt") for name in SPLITS)
    return Annotations(*lists, kind="rawframes", pattern="img_{:05}.jpg")


def write_several_labels(root: Path) -> Table:
    """A table in which videos have several classes."""
    Table.write_toy(root)
    rows = ("0.mp4,up|down,train", "1.mp4,down,train", "2.mp4,up,val", "3.mp4,down|up,test")
    text = "path,label,split\n" + "".join(f"videos/{row}\n" for row in rows)
    (root / "videos.csv").write_text(text)
    return Table(str(root / "videos.csv"), multi_label=True)


READERS = readers()
WRITERS: dict[str, Callable[[Path], Any]] = {
    **{reader.__name__: reader.write_toy for reader in READERS},
    "rawframes": write_rawframes,
    "several labels": write_several_labels,
}


def test_the_readers_are_found() -> None:
    names = {"Folder", "Table", "Toy", "UCF101", "HMDB51", "Kinetics", "SomethingV2", "Jester"}
    assert names | {"Annotations"} <= {reader.__name__ for reader in READERS}


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.__name__)
def test_a_config_names_it_with_all_its_arguments(reader: Any) -> None:
    target = f"{reader.__module__}.{reader.__name__}"
    shipped = [yaml.safe_load(f.read_text()) for f in (conf_dir() / "data").glob("*.yaml")]
    shipped = [config.get("data", config) for config in shipped]
    offered = [set(config) for config in shipped if config.get("_target_") == target]
    assert offered
    assert set.union(*offered) >= set(inspect.signature(reader).parameters)


@pytest.fixture(scope="module", params=WRITERS)
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    root = tmp_path_factory.mktemp("with space, (and) ä=1") / "new"
    return WRITERS[request.param], WRITERS[request.param](root), root


def test_every_split_has_videos_and_training_has_every_class(written: Any) -> None:
    _, reader, _ = written
    assert len(reader.classes) >= 2
    assert len(set(reader.classes)) == len(reader.classes)
    assert all(reader.records(split) for split in SPLITS)
    trained = {label for record in reader.records("train") for label in record.labels}
    assert trained == set(range(len(reader.classes)))


def test_ids_are_unique_labels_in_range_and_splits_apart(written: Any) -> None:
    _, reader, _ = written
    by_split = {split: reader.records(split) for split in SPLITS}
    everything = [record for records in by_split.values() for record in records]
    labels = [label for record in everything for label in record.labels]
    assert all(0 <= label < len(reader.classes) for label in labels)
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
    write, reader, root = written
    again = write(root)
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
