"""An index from elsewhere is checked before it is used; what is wrong is one sentence."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from stfw.data.shard_index import read_index
from stfw.types import UserError

SAMPLES = {
    "video_id": ["a", "b"],
    "shard": [0, 1],
    "offset": [512, 512],
    "size": [100, 200],
    "label": [0, [0, 1]],
    "start_sec": [None, 1.5],
    "end_sec": [None, 2],
    "group": [None, "scene"],
}
NONE: dict[str, list[Any]] = {name: [] for name in SAMPLES}
INDEX = {
    "version": 1,
    "classes": ["x", "y"],
    "shards": [{"name": f"train-0000{n}.tar", "size": 2048, "sha256": "0" * 64} for n in (0, 1)],
    "samples": {"train": SAMPLES, "val": NONE, "test": NONE},
}


def read(folder: Path, index: Any) -> Any:
    (folder / "index.json").write_text(index if isinstance(index, str) else json.dumps(index))
    return read_index(str(folder), "data.root=x")


def test_a_good_index_is_read(tmp_path: Path) -> None:
    assert read(tmp_path, INDEX) == INDEX


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("shard", 2, "b lies outside its shard"),
        ("shard", -1, "b lies outside its shard"),
        ("offset", -512, "b lies outside its shard"),
        ("offset", 2048 - 199, "b lies outside its shard"),
        ("offset", 2**63 - 1, "b lies outside its shard"),
        ("offset", 2**64, "is damaged"),
        ("offset", 1.5, "is damaged"),
        ("size", 0, "b lies outside its shard"),
        ("size", "200", "is damaged"),
        ("label", 2, "names none of the 2 classes"),
        ("label", [0, -1], "names none of the 2 classes"),
        ("label", [], "has no label"),
        ("label", None, "is damaged"),
        ("start_sec", "1.5", "a start_sec of train is of the wrong kind"),
        ("group", 7, "a group of train is of the wrong kind"),
        ("video_id", "a", "stands twice"),
        ("video_id", None, "is no text"),
    ],
)
def test_a_wrong_sample_is_refused(tmp_path: Path, column: str, value: Any, words: str) -> None:
    index = copy.deepcopy(INDEX)
    index["samples"]["train"][column][1] = value  # type: ignore[index]
    with pytest.raises(UserError, match=words) as caught:
        read(tmp_path, index)
    assert str(caught.value).startswith("data.root=x: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "name",
    [
        "../x.tar",
        "/etc/passwd",
        "a/b.tar",
        "..",
        ".",
        "",
        "a\\b.tar",
        "%2e%2e%2fx.tar",
        "x?.tar",
        5,
    ],
)
def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path, name: Any) -> None:
    index = copy.deepcopy(INDEX)
    index["shards"][1]["name"] = name  # type: ignore[index]
    with pytest.raises(UserError, match=r"shard 1 is named .* which leads out of the folder"):
        read(tmp_path, index)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"version": 99}, "has version 99, this stfw reads 1"),
        ({"version": None}, "has version None"),
        ({"classes": None}, "is damaged"),
        ({"classes": ["x", 5]}, "a class has no name"),
        ({"shards": [1]}, "is damaged"),
        ({"shards": INDEX["shards"][:1] * 2}, "a shard is named twice"),  # type: ignore[index]
        ({"shards": []}, "lies outside its shard"),
        ({"samples": {"train": SAMPLES}}, "is damaged"),
        (
            {"samples": {**INDEX["samples"], "train": {**SAMPLES, "label": [0]}}},
            "different lengths",
        ),  # type: ignore[dict-item]
        ({"samples": {**INDEX["samples"], "train": [["a", 0]]}}, "is damaged"),  # type: ignore[dict-item]
    ],
)
def test_a_wrong_index_is_refused(tmp_path: Path, change: Any, words: str) -> None:
    with pytest.raises(UserError, match=words):
        read(tmp_path, {**INDEX, **change})


@pytest.mark.parametrize("text", ["", "{", "[]", "[" * 100_000, "{}", "3"])
def test_what_is_no_index_is_told(tmp_path: Path, text: str) -> None:
    with pytest.raises(UserError, match=r"index\.json is damaged; pack again"):
        read(tmp_path, text)


def test_a_folder_without_one_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="give a folder made by stfw data pack"):
        read_index(str(tmp_path), "data.root=x")
