"""HMDB51: official lists, films on one side of the cut, missing clips."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from stfw.data.hmdb51 import HMDB51
from stfw.types import UserError


@pytest.mark.parametrize("split", [1, 2, 3])
def test_official_counts(shared_videos: Path, split: int) -> None:
    reader = HMDB51(str(shared_videos / "hmdb51"), split=split)
    assert (len(reader.lists.listed["train"]), len(reader.lists.listed["test"])) == (3570, 1530)
    assert len(reader.classes) == 51
    assert reader.classes[:2] == ["brush_hair", "cartwheel"]
    val = reader.lists.official["val"]
    assert abs(len(val) / 3570 - 0.1) < 0.02
    assert {record.label for record in val} == set(range(51))


@pytest.mark.parametrize("split", [1, 2, 3])
def test_no_film_trains_and_validates(shared_videos: Path, split: int) -> None:
    """Films by the whole grammar of a file's name; 170 of them show more than one action."""
    reader = HMDB51(str(shared_videos / "hmdb51"), split=split)
    ending = r"_[a-z]_(cm|nm)_np\d+_(fr|ba|le|ri)_(goo|med|bad)_\d+\.avi"
    films: dict[str, set[str]] = {"train": set(), "val": set()}
    for name, seen in films.items():
        for record in reader.lists.official[name]:  # type: ignore[index]
            action, file = record.video_id.split("/")
            film = re.fullmatch(rf"(.*)_{action}{ending}", file)
            assert film
            assert record.group == film[1]
            seen.add(film[1])
    assert not films["train"] & films["val"]


def test_two_real_clips_are_told_and_read(shared_videos: Path) -> None:
    root = str(shared_videos / "hmdb51")
    with pytest.raises(UserError, match=r"HMDB51 split 1: \d of 3570 training videos and \d of"):
        HMDB51(root).records("train")
    reader = HMDB51(root, allow_missing=True)
    everything = reader.records("train") + reader.records("test")
    assert everything
    assert {reader.classes[record.label] for record in everything} == {"wave"}  # type: ignore[index]


def test_sides_follow_the_marks(tmp_path: Path) -> None:
    HMDB51.write_toy(tmp_path)
    reader = HMDB51(str(tmp_path), val_fraction=0)
    assert [r.video_id for r in reader.records("train")] == [
        "turn/A_FILM_turn_f_cm_np1_fr_med_0.avi",
        "wave/A_FILM_wave_f_cm_np1_fr_med_0.avi",
        "wave/THIRD_wave_u_nm_np1_ba_bad_2.avi",
    ]
    assert [r.video_id for r in reader.records("test")] == ["turn/OTHER_turn_u_nm_np1_ba_bad_1.avi"]
    assert reader.records("train")[1].group == "A_FILM"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("clip.avi 3", r"wave_test_split1\.txt:1: 'clip.avi 3' is not <file>.avi 0\|1\|2"),
        ("a.avi 1\na.avi 2", r":2: wave/a.avi already stands at .*:1;"),
    ],
)
def test_damaged_lists_are_named_with_their_line(tmp_path: Path, line: str, words: str) -> None:
    HMDB51.write_toy(tmp_path)
    (tmp_path / "splits" / "wave_test_split1.txt").write_text(line)
    with pytest.raises(UserError, match=words):
        HMDB51(str(tmp_path))


def test_no_lists_and_unknown_splits_are_named(tmp_path: Path) -> None:
    (tmp_path / "videos" / "wave").mkdir(parents=True)
    with pytest.raises(UserError, match=r"wave_test_split1\.txt.*data\.splits_dir="):
        HMDB51(str(tmp_path / "videos"))
    with pytest.raises(UserError, match=r"data\.split=0"):
        HMDB51(str(tmp_path), split=0)
