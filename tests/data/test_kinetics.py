"""Kinetics: every layout in which it is handed round, official class order, missing clips."""

from __future__ import annotations

import logging
import os
import random
import shutil
from collections import Counter
from pathlib import Path

import pytest

from stfw.data.kinetics import Kinetics
from stfw.types import UserError

HEADER = "label,youtube_id,time_start,time_end,split,is_cc\n"


def lists(root: Path, **rows: str) -> None:
    root.mkdir(parents=True, exist_ok=True)
    for split, text in rows.items():
        (root / f"{split}.csv").write_text(HEADER + text)


@pytest.mark.parametrize(
    "place",
    [
        "air drumming/abc_000004_000014.mp4",
        "air_drumming/abc_000004_000014.mkv",
        "train/air drumming/abc_000004_000014.webm",
        "train/abc_000004_000014.mp4",
        "train/air_drumming/abc.mp4",
        "abc.mp4",
    ],
)
def test_a_clip_is_found_in_every_layout(tmp_path: Path, place: str) -> None:
    train = "air drumming,abc,4,14,train,0\nzumba,def,0,10,train,0\n"
    lists(tmp_path, train=train, val="zumba,ghi,0,10,val,0\n")
    for name in (place, "zumba/def_000000_000010.mp4", "ghi.mp4"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    reader = Kinetics(str(tmp_path))
    assert {r.video_id: r.path for r in reader.records("train")} == {
        "abc_000004_000014": str(tmp_path / place),
        "def_000000_000010": str(tmp_path / "zumba/def_000000_000010.mp4"),
    }
    assert reader.classes == ["air drumming", "zumba"]


def test_missing_clips_are_counted_and_may_be_left_out(tmp_path: Path) -> None:
    Kinetics.write_toy(tmp_path)
    shutil.rmtree(tmp_path / "train" / "zumba")
    with pytest.raises(UserError, match="Kinetics: 1 of 2 training videos and 1 of 1 validation"):
        Kinetics(str(tmp_path)).records("train")
    assert len(Kinetics(str(tmp_path), allow_missing=True).records("train")) == 1


def test_a_test_list_without_labels_is_left_out(tmp_path: Path) -> None:
    Kinetics.write_toy(tmp_path)
    rows = "youtube_id,time_start,time_end,split\nzzzzzzzzzzz,4,14,test\n"
    (tmp_path / "kinetics_test.csv").write_text(rows)
    reader = Kinetics(str(tmp_path))
    assert reader.records("test") == reader.records("val")


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("zumba,a,x,10,train,0\nb,b,0,1,train,0\n", r"train\.csv:2: time_start and time_end"),
        (
            "zumba,a,0,10,train,0\nb,a,0,10,train,0\n",
            r":3: a_000000_000010 already stands at .*train\.csv:2;",
        ),
        ("zumba,a,0,inf,train,0\nb,b,0,1,train,0\n", r"train\.csv:2: time_start and time_end"),
        ("zumba,,0,10,train,0\nb,b,0,1,train,0\n", r"train\.csv:2: youtube_id '' is no id"),
        ("zumba,a,0,10,train,0\nb,b,0,1,train,0\n,c,0,1,train,0\n", r":4: class '' has no"),
        ("zumba,a,0,10,train,0\n", "names 1 classes"),
    ],
)
def test_damaged_rows_are_named(tmp_path: Path, rows: str, words: str) -> None:
    lists(tmp_path, train=rows)
    with pytest.raises(UserError, match=words):
        Kinetics(str(tmp_path))


def test_a_class_without_training_videos_is_an_error(tmp_path: Path) -> None:
    train = "a,x,0,10,train,0\nb,y,0,10,train,0\n"
    lists(tmp_path, train=train, val="c,z,0,10,val,0\n")
    with pytest.raises(UserError, match=r"val\.csv:2: class 'c' has no training video"):
        Kinetics(str(tmp_path))


def test_no_lists_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"train\.csv is not in.*data\.annotations="):
        Kinetics(str(tmp_path))


def test_real_lists_and_class_order(shared_videos: Path, tmp_path: Path) -> None:
    maps = shared_videos / "label_maps"
    clip = shared_videos / "kinetics" / "abseiling_k400.mp4"
    tiny = maps / "tiny-kinetics-400"
    first = (tiny / "tiny_train.csv").read_text().splitlines()[1].split(",")[1]
    (tmp_path / f"{first}.mp4").symlink_to(clip)
    reader = Kinetics(str(tmp_path), annotations=str(tiny), allow_missing=True)
    assert [r.path for r in reader.records("train")] == [str(tmp_path / f"{first}.mp4")]
    official = (maps / "kinetics" / "label_map_k400.txt").read_text().splitlines()
    assert reader.classes == [name for name in official if name in set(reader.classes)]


@pytest.mark.parametrize("version", ["400", "600", "700"])
def test_classes_are_in_the_official_order(
    shared_videos: Path, tmp_path: Path, version: str
) -> None:
    labels = shared_videos / "label_maps" / "kinetics" / f"label_map_k{version}.txt"
    official = labels.read_text().split("\n")[: int(version)]
    shuffled = random.Random(0).sample(official, len(official))
    rows = "".join(f'"{name}",id{n},0,10,train,0\n' for n, name in enumerate(shuffled))
    lists(tmp_path, train=rows, val=f'"{official[0]}",val,0,10,val,0\n')
    assert Kinetics(str(tmp_path)).classes == official


def test_clips_of_one_source_stay_together_in_the_cut(tmp_path: Path) -> None:
    rows = [f"{'ab'[n % 2]},id{n // 4},{10 * n},{10 * n + 10},train,0\n" for n in range(80)]
    lists(tmp_path, train="".join(rows))
    official = Kinetics(str(tmp_path), val_fraction=0.2).lists.official
    sides = {s: {r.video_id.split("_")[0] for r in official[s]} for s in ("train", "val")}  # type: ignore[index]
    assert len(sides["val"]) == 4
    assert not sides["train"] & sides["val"]


def test_a_source_on_two_sides_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    train = "a,x,0,10,train,0\nb,y,0,10,train,0\n"
    lists(tmp_path, train=train, val="a,z,0,10,val,0\nb,x,30,40,val,0\n")
    with caplog.at_level(logging.WARNING, "stfw"):
        Kinetics(str(tmp_path))
    assert "1 of 2 val clips are from YouTube videos that also train" in caplog.text
    assert "val.csv:3" in caplog.text


def test_a_folder_is_listed_not_asked_file_by_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a network disk a look per file costs minutes; 1000 rows need some looks per class."""
    rows = "".join(f"class {n % 5},id{n},0,10,train,0\n" for n in range(1000))
    lists(tmp_path, train=rows, val="class 0,v,0,10,val,0\n")
    for n in range(1000):
        (tmp_path / f"class {n % 5}").mkdir(exist_ok=True)
        (tmp_path / f"class {n % 5}" / f"id{n}.mp4").touch()
    calls: Counter[str] = Counter()
    for name in ("listdir", "stat", "lstat", "scandir"):
        real = getattr(os, name)

        def count(
            *given: object, _name: str = name, _real: object = real, **more: object
        ) -> object:
            calls[_name] += 1
            return _real(*given, **more)  # type: ignore[operator]

        monkeypatch.setattr(os, name, count)
    assert len(Kinetics(str(tmp_path)).records("train")) == 1000
    assert calls["listdir"] <= 50
    assert sum(calls.values()) < 150
