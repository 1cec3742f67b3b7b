"""Lists of other toolboxes: spaces, several labels, raw frames, delimiters, mistakes."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from stfw.data.annotations import Annotations
from stfw.data.toy_render import write_pictures
from stfw.types import UserError
from stfw.video.decode import decode
from stfw.video.probe import probe


def write(tmp_path: Path, text: str, name: str = "train.txt") -> str:
    (tmp_path / name).write_text(text)
    for line in text.splitlines():
        video = line.rsplit(".mp4", 1)[0] + ".mp4"
        if ".mp4" in line:
            (tmp_path / video).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / video).touch()
    return str(tmp_path / name)


def test_names_may_hold_spaces_and_numbers(tmp_path: Path) -> None:
    path = write(tmp_path, "a 1/clip 7 8.mp4 0\nb.mp4 1\n")
    val = write(tmp_path, "c.mp4 1\n", "val.txt")
    records = Annotations(path, val).records("train")
    assert {(r.video_id, r.label) for r in records} == {("a 1/clip 7 8.mp4", 0), ("b.mp4", 1)}


def test_a_delimiter_parts_path_and_label(tmp_path: Path) -> None:
    train = write(tmp_path, "a b.mp4,0\nc,d.mp4,1\n")
    val = write(tmp_path, "e.mp4,1\n", "val.txt")
    records = Annotations(train, val, delimiter=",").records("train")
    assert [(r.video_id, r.label) for r in records] == [("a b.mp4", 0), ("c,d.mp4", 1)]


def test_several_labels_need_to_be_asked_for(tmp_path: Path) -> None:
    train, val = write(tmp_path, "a.mp4 0 2\nb.mp4 1\n"), write(tmp_path, "c.mp4 2\n", "val.txt")
    with pytest.raises(UserError, match=r"train\.txt:1: .* 2 labels; set data\.multi_label=true"):
        Annotations(train, val)
    reader = Annotations(train, val, multi_label=True)
    assert [r.label for r in reader.records("train")] == [(0, 2), (1,)]
    assert reader.classes == ["0", "1", "2"]


def test_class_names_come_from_a_list_or_a_file(tmp_path: Path) -> None:
    train, val = write(tmp_path, "a.mp4 0\nb.mp4 1\n"), write(tmp_path, "c.mp4 1\n", "val.txt")
    (tmp_path / "names.txt").write_text("run\njump\n")
    given: tuple[str | list[str], ...] = (str(tmp_path / "names.txt"), ["run", "jump"])
    for classes in given:
        assert Annotations(train, val, classes=classes).classes == ["run", "jump"]
    beyond = write(tmp_path, "a.mp4 0\nb.mp4 2\n")
    with pytest.raises(UserError, match=r"train\.txt:2: label 2 is beyond the 2 data\.classes"):
        Annotations(beyond, classes=["run", "jump"])


@pytest.mark.parametrize("pattern", ["img_%05d.png", "img_{:05}.png", "img_{:05d}.png"])
def test_raw_frames_are_read_and_counted_from_their_first(tmp_path: Path, pattern: str) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (6, 20, 30, 3)).astype(np.uint8)
    for name in ("v one", "two", "three"):
        write_pictures(tmp_path / name, "img_%05d.png", frames, first=1)
    (tmp_path / "train.txt").write_text("v one 6 0\ntwo 6 1\n")
    (tmp_path / "val.txt").write_text("three 6 1\n")
    reader = Annotations(
        str(tmp_path / "train.txt"), str(tmp_path / "val.txt"), kind="rawframes", pattern=pattern
    )
    record = reader.records("train")[1]
    assert record.video_id == "v one"
    index = probe(record.path)
    assert (index.info.num_frames, index.info.height, index.info.width) == (6, 20, 30)
    assert np.array_equal(decode(index, np.array([5, 0, 3])), frames[[5, 0, 3]])  # png: lossless
    assert decode(index, np.array([2]), (10, 15)).shape == (1, 10, 15, 3)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a.mp4\n", r"train\.txt:1: 'a\.mp4' is not <path> <label>"),
        ("a.mp4 0\nb.mp4 x\n", r":2: 'b\.mp4 x' is not"),
        ("a.mp4 0\na.mp4 1\n", r":2: a\.mp4 already stands at .*:1;"),
        ("\n", "lists no video"),
        ("a.mp4 0\n./a.mp4 1\n", r":2: a\.mp4 already stands at"),
        ("a.mp4 0\nb.mp4 -1\n", r":2: 'b\.mp4 -1' is not <path> <label>"),
        ("a.mp4 1\nb.mp4 2\n", r":2: label 2, but no training video has label 0"),
        ("a.mp4 0\nb.mp4 999999999999\n", r":2: label 999999999999, but no .* label 1;"),
        ("a.mp4 0\n", "two names or more"),
    ],
)
def test_mistakes_are_named_with_their_line(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        Annotations(write(tmp_path, text))


def test_a_video_in_two_lists_is_an_error(tmp_path: Path) -> None:
    train = write(tmp_path, "a.mp4 0\nb.mp4 1\n")
    val = write(tmp_path, "b.mp4 1\n", "val.txt")
    with pytest.raises(UserError, match=r"val\.txt:1: b\.mp4 already stands at .*train\.txt:2"):
        Annotations(train, val)
    with pytest.raises(UserError, match=r"data\.val=.*no such file"):
        Annotations(train, str(tmp_path / "none.txt"))


def test_missing_videos_and_picture_folders_are_counted(tmp_path: Path) -> None:
    train = write(tmp_path, "a.mp4 0\n100% b.mp4 1\n")
    val = write(tmp_path, "c.mp4 1\n", "val.txt")
    assert len(Annotations(train, val).records("train")) == 2
    (tmp_path / "100% b.mp4").unlink()
    with pytest.raises(UserError, match=r"1 of 2 training .*first missing: 100% b\.mp4"):
        Annotations(train, val).records("train")
    (tmp_path / "frames.txt").write_text("one 6 0\ntwo 6 1\n")
    (tmp_path / "one").mkdir()
    (tmp_path / "frames_val.txt").write_text("three 6 1\n")
    lists = (str(tmp_path / name) for name in ("frames.txt", "frames_val.txt"))
    frames = Annotations(*lists, kind="rawframes")
    with pytest.raises(UserError, match=r"1 of 2 training .*first missing: two"):
        frames.records("train")


def test_folders_and_unknown_kinds_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"is a folder, not a list; .*data=folder data\.root="):
        Annotations(str(tmp_path))
    with pytest.raises(UserError, match=r"data\.kind=rawframe is not known.*mean 'rawframes'"):
        Annotations(write(tmp_path, "a.mp4 0\n"), kind="rawframe")  # type: ignore[arg-type]


def test_named_classes_without_training_videos_are_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    train, val = write(tmp_path, "a.mp4 0\nb.mp4 1\n"), write(tmp_path, "c.mp4 1\n", "val.txt")
    with caplog.at_level(logging.WARNING, "stfw"):
        Annotations(train, val, classes=["run", "jump", "swim"])
    assert "1 of the 3 data.classes have no training video (first: 'swim')" in caplog.text
