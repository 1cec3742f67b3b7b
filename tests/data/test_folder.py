"""A folder per class: layouts, groups, mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from stfw.data.folder import Folder
from stfw.types import UserError

SPLITS = ("train", "val", "test")


def touch(root: Path, *names: str) -> str:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return str(root)


def many(*classes: str, count: int = 10) -> list[str]:
    return [f"{name}/{number}.mp4" for name in classes for number in range(count)]


def test_folders_are_classes_in_sorted_order(tmp_path: Path) -> None:
    odd = "äpfel (rot), x=1"
    reader = Folder(touch(tmp_path, *many("zoo", "car", odd), ".git/x.mp4", "car/notes.txt"))
    assert reader.classes == ["car", "zoo", odd]
    records = [record for split in SPLITS for record in reader.records(split)]
    assert len(records) == 30
    for record in records:
        assert record.path == str(tmp_path / record.video_id)
        assert reader.classes[record.label] == record.video_id.split("/")[0]


def test_split_folders_are_the_splits(tmp_path: Path) -> None:
    touch(tmp_path / "Train", *many("a", "b", count=3))
    touch(tmp_path / "validation", *many("a", "b", count=2))
    reader = Folder(touch(tmp_path / "test", *many("a", "b", count=1)) + "/..")
    assert [len(reader.records(split)) for split in SPLITS] == [6, 4, 2]
    assert reader.records("val")[0].video_id == "validation/a/0.mp4"
    assert reader.classes == ["a", "b"]


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    assert Folder(touch(tmp_path, *many("train", "car"))).classes == ["car", "train"]


def test_split_folders_must_agree_on_the_classes(tmp_path: Path) -> None:
    touch(tmp_path, *many("train/run", "train/walk", "val/run", "val/wakl", count=2))
    with pytest.raises(UserError, match=r"'wakl' is in val/ but not in train/; did you mean 'walk"):
        Folder(str(tmp_path))


def test_a_video_folder_beside_the_splits_is_not_lost_in_silence(tmp_path: Path) -> None:
    touch(tmp_path, *many("train/a", "train/b", "val/a", "val/b", "vall/a"))
    with pytest.raises(UserError, match="'vall'"):
        Folder(str(tmp_path))


def test_split_folders_without_train_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no train"):
        Folder(touch(tmp_path, *many("val/a", "test/a")))


@pytest.mark.parametrize("place", ["inside", "elsewhere"])
def test_groups_never_stand_on_two_sides(tmp_path: Path, place: str) -> None:
    root, videos = tmp_path / "data", many("a", "b", count=20)
    touch(root, *videos)
    rows = [f'"{video}",camera {number % 10}' for number, video in enumerate(videos)]
    table = (root if place == "inside" else tmp_path) / "groups.csv"
    table.write_text("\n".join(["path,group", *rows]))
    reader = Folder(str(root), groups="groups.csv" if place == "inside" else str(table))
    sides = [{record.group for record in reader.records(split)} for split in SPLITS]
    assert sum(map(len, sides)) == len(set().union(*sides)) == 10
    assert all(sides)


def test_a_group_torn_by_split_folders_is_an_error(tmp_path: Path) -> None:
    videos = many("train/a", "train/b", "val/a", "val/b", count=1)
    touch(tmp_path, *videos)
    groups = ("g0", "g1", "g0", "g2")
    lines = [f"{video},{group}" for video, group in zip(videos, groups, strict=True)]
    (tmp_path / "groups.csv").write_text("path,group\n" + "\n".join(lines))
    with pytest.raises(UserError, match=r"'g0'.*train/a/0.mp4.*val/a/0.mp4"):
        Folder(str(tmp_path), groups="groups.csv")


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (["a/0.mp4,1", "a/9.mp4,1"], r"names 1 video \(a/9.mp4\) not under"),
        (["a/0.mp4,1"], r"no group for 3 videos \(a/1.mp4, b/0.mp4, b/1.mp4\)"),
        (["a/0.mp4,1", "a/0.mp4,2"], r"groups.csv:3: a/0.mp4 already has group '1'"),
        (["a/0.mp4,"], r"groups.csv:2: 'group' is empty"),
    ],
)
def test_group_mistakes_are_named(tmp_path: Path, rows: list[str], words: str) -> None:
    touch(tmp_path, *many("a", "b", count=2))
    (tmp_path / "groups.csv").write_text("\n".join(["path,group", *rows]))
    with pytest.raises(UserError, match=words):
        Folder(str(tmp_path), groups="groups.csv")


def test_folder_mistakes_are_named(tmp_path: Path) -> None:
    touch(tmp_path, "full/a/0.mp4", "full/b/0.mp4", "full/empty/x.txt", "flat/0.mp4", "one/a/0.mp4")
    touch(tmp_path, "above/inner/a/0.mp4", "above/inner/b/0.mp4")
    for name, words in {
        "full": "class folder 'empty' holds no video",
        "flat": "holds no folders",
        "one": "one class folder only, 'a'",
        "above": "did you mean .*above/inner",
        "ful": "did you mean 'full'",
    }.items():
        with pytest.raises(UserError, match=words):
            Folder(str(tmp_path / name))


def test_one_video_per_class_is_too_few(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the val split stays empty"):
        Folder(touch(tmp_path, "a/0.mp4", "b/0.mp4"))


def test_real_groups_are_kept_whole_and_balanced(shared_videos: Path) -> None:
    reader = Folder(str(shared_videos / "surv_fight"), groups="groups.csv")
    assert reader.classes == ["fight", "noFight"]
    for split, count in (("train", 147), ("val", 31.5), ("test", 31.5)):
        records = reader.records(split)  # type: ignore[arg-type]
        assert abs(len(records) - count) <= 3
        assert abs(sum(record.label for record in records) - count / 2) <= 2
    sides = [{record.group for record in reader.records(split)} for split in SPLITS]
    assert sum(map(len, sides)) == 127
