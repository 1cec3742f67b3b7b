"""UCF101: official lists, held-out groups, missing clips, damaged lists."""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path

import pytest

from stfw.data.ucf101 import UCF101
from stfw.types import UserError

CLASSES = "1 Archery\r\n2 Biking\r\n"
TRAIN = [f"{c}/v_{c}_g{g:02d}_c0{n}.avi" for c in ("Archery", "Biking") for g in (8, 9, 10, 11) for n in (1, 2)]  # fmt: skip # noqa: E501
TEST = [f"{c}/v_{c}_g01_c01.avi" for c in ("Archery", "Biking")]


def write(root: Path, train: str | None = None, test: str | None = None, have: int = 99) -> str:
    """A data set of empty files; the first ``have`` training clips exist, and all test clips."""
    for video in TRAIN[:have] + TEST:
        (root / video).parent.mkdir(parents=True, exist_ok=True)
        (root / video).touch()
    labels = {"Archery": 1, "Biking": 2}
    (root / "classInd.txt").write_text(CLASSES)
    lines = [f"{video} {labels[video.split('/')[0]]}\r\n" for video in TRAIN]
    (root / "trainlist01.txt").write_text("".join(lines) if train is None else train)
    (root / "testlist01.txt").write_text("\n".join(TEST) if test is None else test)
    return str(root)


@pytest.mark.parametrize(
    ("split", "train", "test"), [(1, 9537, 3783), (2, 9586, 3734), (3, 9624, 3696)]
)
def test_official_counts(shared_videos: Path, split: int, train: int, test: int) -> None:
    reader = UCF101(str(shared_videos / "UCF-101"), split=split)
    assert (len(reader.lists.listed["train"]), len(reader.lists.listed["test"])) == (train, test)
    assert len(reader.classes) == 101
    assert (reader.classes[0], reader.classes[10]) == ("ApplyEyeMakeup", "Biking")
    val = reader.lists.official["val"]
    assert abs(len(val) / train - 0.1) < 0.02
    assert set(Counter(record.label for record in val)) == set(range(101))
    held = {record.group for record in val}
    assert not held & {record.group for record in reader.lists.official["train"]}
    assert {record.group for record in val} <= {r.group for r in reader.lists.listed["train"]}


def test_records_of_a_whole_set(tmp_path: Path) -> None:
    reader = UCF101(write(tmp_path), val_fraction=0.25)
    train, val, test = (reader.records(split) for split in ("train", "val", "test"))
    assert sorted(r.video_id for r in train + val) == TRAIN
    assert [r.video_id for r in test] == TEST
    assert set(Counter(r.group for r in val).values()) == {2}  # both clips of every held group
    assert Counter(r.label for r in val) == {0: 2, 1: 2}
    assert not {r.group for r in train} & {r.group for r in val}
    assert test[1].path == str(tmp_path / TEST[1])
    assert (test[1].label, test[1].group) == (1, "Biking_g01")


def test_val_fraction_0_validates_on_test(tmp_path: Path) -> None:
    reader = UCF101(write(tmp_path), val_fraction=0)
    assert reader.records("val") == reader.records("test")
    assert len(reader.records("train")) == len(TRAIN)


def test_missing_clips_are_counted(tmp_path: Path) -> None:
    reader = UCF101(write(tmp_path, have=5))
    for split in ("train", "val"):
        with pytest.raises(UserError, match=r"split 1: 5 of 16 training .* and 2 of 2 test") as e:
            reader.records(split)  # type: ignore[arg-type]
        assert "data.allow_missing=true" in str(e.value)
        assert TRAIN[5] in str(e.value)
    assert len(reader.records("test")) == 2


def test_allow_missing_keeps_the_official_sides(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = UCF101(write(tmp_path), val_fraction=0.25)
    held = whole.records("val")
    (tmp_path / held[0].video_id).unlink()
    with caplog.at_level(logging.WARNING, "stfw"):
        reader = UCF101(str(tmp_path), val_fraction=0.25, allow_missing=True)
        assert reader.records("val") == held[1:]
    assert reader.records("train") == whole.records("train")
    assert "15 of 16 training and 2 of 2 test videos" in caplog.text


def test_five_real_clips_are_enough_to_run(
    shared_videos: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "stfw"):
        reader = UCF101(str(shared_videos / "UCF-101"), split=1, allow_missing=True)
        train, val, test = (reader.records(split) for split in ("train", "val", "test"))
    assert [record.group for record in train] == ["SoccerJuggling_g23"]
    assert val == test
    assert len(test) == 4
    assert all(Path(record.path).is_file() for record in train + test)
    assert "the test videos validate" in caplog.text
    with pytest.raises(UserError, match="UCF101 split 2: 0 of 3734 test videos are present"):
        UCF101(str(shared_videos / "UCF-101"), split=2, allow_missing=True).records("test")


def test_the_folder_above_is_recognised(tmp_path: Path) -> None:
    lists = write(tmp_path / "UCF-101")
    with pytest.raises(UserError, match=r"did you mean data.root=.*UCF-101"):
        UCF101(str(tmp_path), splits_dir=lists).records("train")


@pytest.mark.parametrize(
    "place", ["{}", "{}/ucfTrainTestlist", "ucfTrainTestlist", "ucf101_splits"]
)
def test_lists_are_found_beside_the_videos(tmp_path: Path, place: str) -> None:
    root, lists = tmp_path / "UCF-101", tmp_path / place.format("UCF-101")
    write(root)
    lists.mkdir(exist_ok=True)
    for file in root.glob("*.txt"):
        file.rename(lists / file.name)
    assert UCF101(str(root)).classes == ["Archery", "Biking"]


def test_absent_lists_and_unknown_splits_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"trainlist02.txt.* give data.splits_dir="):
        UCF101(write(tmp_path), split=2)
    with pytest.raises(UserError, match=r"data\.split=4 does not exist"):
        UCF101(str(tmp_path), split=4)


@pytest.mark.parametrize(
    ("train", "words"),
    [
        (f"{TRAIN[0]} 1\nBikin/v_Bikin_g08_c01.avi 2", r":2: class 'Bikin'.*mean 'Biking'"),
        (f"{TRAIN[0]} 2", r":1: label 2 is not that of Archery, 1 in"),
        (f"{TRAIN[0]} 1\n\n{TRAIN[0]} 1", r":3: .* already stands at .*:1;"),
        ("Archery/clip.avi 1", r":1: 'Archery/clip.avi 1' is not <Class>/"),
        (f"{TRAIN[0]} 1\n{TEST[0]} 1", r"group 'Archery_g01' stands on two sides"),
        ("", "trainlist01.txt lists no video"),
    ],
)
def test_damaged_lists_are_named_with_their_line(tmp_path: Path, train: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        UCF101(write(tmp_path, train=train))


def test_damaged_class_numbers_are_named(tmp_path: Path) -> None:
    root = write(tmp_path)
    for text, words in {
        "1 Archery\n3 Biking": "without a gap",
        "1 Archery\n1 Biking": "classInd.txt:2: .*repeats",
        "Archery": "classInd.txt:1: .*is not <number> <Class>",
    }.items():
        (tmp_path / "classInd.txt").write_text(text)
        with pytest.raises(UserError, match=words):
            UCF101(root)
