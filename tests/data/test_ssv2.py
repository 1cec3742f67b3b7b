"""Something-Something V2: official files, templates, missing answers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stfw.data.ssv2 import SomethingV2
from stfw.types import UserError


def test_classes_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    reader = SomethingV2.write_toy(tmp_path)
    (tmp_path / "labels.json").write_text(
        json.dumps({"Lifting something": "0", "Pushing something from left to right": "1"})
    )
    other = SomethingV2(str(tmp_path))
    assert other.classes == reader.classes[::-1]
    assert [r.label for r in other.records("train")] == [1, 0]
    assert [Path(r.path).name for r in other.records("train")] == ["100.webm", "101.webm"]


def test_without_answers_the_validation_videos_are_tested(tmp_path: Path) -> None:
    SomethingV2.write_toy(tmp_path)
    assert [r.video_id for r in SomethingV2(str(tmp_path)).records("test")] == ["103"]
    (tmp_path / "test-answers.csv").unlink()
    reader = SomethingV2(str(tmp_path))
    assert reader.records("test") == reader.records("val")


def test_the_official_prefix_and_folder_are_found(tmp_path: Path) -> None:
    videos = tmp_path / "videos"
    SomethingV2.write_toy(videos)
    (tmp_path / "labels").mkdir()
    for file in list(videos.glob("*.json")):
        file.rename(tmp_path / "labels" / f"something-something-v2-{file.name}")
    assert len(SomethingV2(str(videos)).records("train")) == 2


def test_mistakes_are_named(tmp_path: Path) -> None:
    SomethingV2.write_toy(tmp_path)
    rows = json.loads((tmp_path / "train.json").read_text())
    rows[1]["template"] = "Liftin [something]"
    (tmp_path / "train.json").write_text(json.dumps(rows))
    with pytest.raises(
        UserError, match=r"train\.json, entry 2: template 'Liftin.*mean 'Lifting some"
    ):
        SomethingV2(str(tmp_path))
    (tmp_path / "train.json").write_text("[")
    with pytest.raises(UserError, match=r"train\.json is no json"):
        SomethingV2(str(tmp_path))
    (tmp_path / "train.json").unlink()
    with pytest.raises(UserError, match=r"train\.json.*data\.annotations="):
        SomethingV2(str(tmp_path))


def test_missing_videos_are_counted(tmp_path: Path) -> None:
    SomethingV2.write_toy(tmp_path)
    (tmp_path / "100.webm").unlink()
    with pytest.raises(UserError, match="1 of 2 training videos"):
        SomethingV2(str(tmp_path)).records("train")
    assert len(SomethingV2(str(tmp_path), allow_missing=True).records("train")) == 1


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("labels.json", '{"a": "x", "b": "1"}', "labels.json: the numbers are not 0, 1, 2"),
        ("labels.json", '{"a": "0", "b": "2"}', "labels.json: the numbers are not 0, 1, 2"),
        ("train.json", '["100"]', r"train\.json, entry 1: there are no id and template"),
        ("train.json", '[{"id": "100"}]', r"train\.json, entry 1: there are no id and template"),
        ("test-answers.csv", "103\n", r"test-answers\.csv:1: template '' is not in"),
        ("test-answers.csv", "100;Lifting something\n", r"csv:1: 100 .*train\.json, entry 1; drop"),
    ],
)
def test_damaged_files_are_named(tmp_path: Path, file: str, text: str, words: str) -> None:
    SomethingV2.write_toy(tmp_path)
    (tmp_path / file).write_text(text)
    with pytest.raises(UserError, match=words):
        SomethingV2(str(tmp_path))
