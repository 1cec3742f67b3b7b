"""Jester: folders of pictures and lists with semicolons."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from stfw.data.jester import Jester
from stfw.types import UserError


def test_videos_are_patterns_of_pictures(tmp_path: Path) -> None:
    reader = Jester.write_toy(tmp_path)
    assert reader.classes == ["Swiping Left", "Swiping Right"]
    assert [(r.path, r.label) for r in reader.records("train")] == [
        (str(tmp_path / "1" / "%05d.jpg"), 0),
        (str(tmp_path / "2" / "%05d.jpg"), 1),
    ]


def test_the_official_test_list_without_classes_is_left_out(tmp_path: Path) -> None:
    Jester.write_toy(tmp_path)
    (tmp_path / "jester-v1-test.csv").write_text("4\n")
    reader = Jester(str(tmp_path))
    assert reader.records("test") == reader.records("val")


def test_mistakes_and_missing_folders_are_named(tmp_path: Path) -> None:
    Jester.write_toy(tmp_path)
    shutil.rmtree(tmp_path / "2")
    with pytest.raises(UserError, match=r"Jester: 1 of 2 training.*first missing: 2"):
        Jester(str(tmp_path)).records("train")
    (tmp_path / "jester-v1-train.csv").write_text("1;Swiping Lef\n")
    with pytest.raises(UserError, match=r"train\.csv:1: class 'Swiping Lef'.*mean 'Swiping Left'"):
        Jester(str(tmp_path))
    (tmp_path / "jester-v1-labels.csv").unlink()
    with pytest.raises(UserError, match=r"labels\.csv is not in.*data\.annotations="):
        Jester(str(tmp_path))


def test_a_video_in_two_lists_is_an_error(tmp_path: Path) -> None:
    Jester.write_toy(tmp_path)
    (tmp_path / "jester-v1-validation.csv").write_text("3;Swiping Left\n1;Swiping Left\n")
    with pytest.raises(UserError, match=r"validation\.csv:2: 1 already stands at .*train\.csv:1"):
        Jester(str(tmp_path))
