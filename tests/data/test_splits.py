"""Splits: stratified, whole groups, the same everywhere."""

from __future__ import annotations

import logging
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from stfw.data.files import existing_folder, find_videos
from stfw.data.splits import check_no_group_leak, complete_splits, split_records
from stfw.types import Record, UserError

FRACTIONS = {"val": 0.15, "test": 0.15}


def make(num_per_class: dict[int, int], group_size: int | None = None) -> list[Record]:
    return [
        Record(
            f"{label}/{n:03d}.mp4",
            f"/here/{label}/{n:03d}.mp4",
            label,
            group=None if group_size is None else f"{label}-{n // group_size}",
        )
        for label, count in num_per_class.items()
        for n in range(count)
    ]


def names(splits: dict) -> dict[str, list[str]]:
    return {split: [record.video_id for record in records] for split, records in splits.items()}


def test_every_class_has_its_share_in_every_split() -> None:
    splits = split_records(make({0: 100, 1: 20}), FRACTIONS, seed=0)
    counts = {split: Counter(r.label for r in records) for split, records in splits.items()}
    assert counts == {"train": {0: 70, 1: 14}, "val": {0: 15, 1: 3}, "test": {0: 15, 1: 3}}


def test_every_record_lands_once() -> None:
    records = make({0: 31, 1: 17, 2: 5}, group_size=3)
    splits = split_records(records, FRACTIONS, seed=3)
    landed = [r for part in splits.values() for r in part]
    assert sorted(landed, key=lambda r: r.video_id) == records


def test_groups_stay_whole_and_shares_are_near() -> None:
    generator = random.Random(0)
    records = [replace(r, group=f"scene {generator.randrange(60)}") for r in make({0: 150, 1: 150})]
    splits = split_records(records, FRACTIONS, seed=0)
    sides = [{r.group for r in part} for part in splits.values()]
    assert sum(map(len, sides)) == len(set().union(*sides))
    for split, share in (("train", 0.7), ("val", 0.15), ("test", 0.15)):
        for label in (0, 1):
            count = sum(r.label == label for r in splits[split])
            assert abs(count - share * 150) <= 6, (split, label, count)


def test_order_and_place_of_the_files_do_not_matter_and_the_seed_does() -> None:
    records = make({0: 40, 1: 40})
    expected = names(split_records(records, FRACTIONS, seed=0))
    shuffled = random.Random(1).sample(records, len(records))
    moved = [replace(r, path=r.path.replace("/here", "/elsewhere")) for r in shuffled]
    assert names(split_records(moved, FRACTIONS, seed=0)) == expected
    assert names(split_records(records, FRACTIONS, seed=1)) != expected


def test_the_cut_is_the_same_on_every_machine_and_in_every_version() -> None:
    splits = names(split_records(make({0: 5, 1: 5}), FRACTIONS, seed=0))
    assert (splits["val"], splits["test"]) == PINNED


# written down once: a change here changes every split that users have measured on
PINNED = (["0/002.mp4", "1/002.mp4"], ["0/004.mp4", "1/003.mp4"])


def test_parts_of_one_file_stay_together() -> None:
    records = [
        Record(f"{n}.mp4#{part}", f"/{n}.mp4", n % 2, float(part), part + 1.0)
        for n in range(20)
        for part in range(5)
    ]
    splits = split_records(records, FRACTIONS, seed=0)
    sides = [{r.path for r in part} for part in splits.values()]
    assert sum(map(len, sides)) == 20


def test_four_videos_of_two_classes_fill_three_splits() -> None:
    splits = split_records(make({0: 2, 1: 2}), FRACTIONS, seed=0)
    assert {r.label for r in splits["train"]} == {0, 1}
    assert [len(splits[split]) for split in ("train", "val", "test")] == [2, 1, 1]


@pytest.mark.parametrize("seed", range(20))
def test_every_class_is_trained_however_unequal_the_groups(seed: int) -> None:
    records = make({0: 200}, group_size=100) + make({1: 3, 2: 1}, group_size=1)
    splits = split_records(records, FRACTIONS, seed=seed)
    assert {r.label for r in splits["train"]} == {0, 1, 2}
    assert all(splits.values())


def test_too_few_groups_are_named() -> None:
    with pytest.raises(UserError, match="the val split stays empty: 2 separate groups"):
        split_records(make({0: 10, 1: 10}, group_size=10), FRACTIONS, seed=0)


def test_folds_test_everything_once_and_tear_no_group_apart() -> None:
    records = make(dict.fromkeys(range(3), 30), group_size=4)
    tested: list[str] = []
    for fold in range(5):
        splits = complete_splits({"train": records}, 0.2, 0.9, 0, num_folds=5, fold=fold)
        groups = [record.group for side in splits.values() for record in side]
        assert sum(len({r.group for r in side}) for side in splits.values()) == len(set(groups))
        assert sum(map(len, splits.values())) == len(records)
        assert {r.label for r in splits["test"]} == {0, 1, 2}
        assert 12 <= len(splits["test"]) <= 24
        tested += [record.video_id for record in splits["test"]]
    assert sorted(tested) == sorted(record.video_id for record in records)
    other = complete_splits({"train": records}, 0.2, 0, 1, num_folds=5, fold=0)
    assert {r.video_id for r in other["test"]} != set(tested[: len(other["test"])])


def test_wrong_folds_are_named() -> None:
    records = make({0: 6, 1: 6})
    for folds, fold, words in ((1, 0, "no cross-validation"), (5, 5, "0 to 4"), (40, 0, "12")):
        with pytest.raises(UserError, match=words):
            complete_splits({"train": records}, 0.2, 0, 0, num_folds=folds, fold=fold)
    given = {"train": records[:6], "test": records[6:]}
    with pytest.raises(UserError, match="its own train and test videos"):
        complete_splits(given, 0.2, 0, 0, num_folds=3)  # type: ignore[arg-type]


def test_a_leak_names_group_and_files() -> None:
    train = Record("a.mp4", "/a.mp4", 0, group="cam 3")
    test = Record("b.mp4", "/b.mp4", 1, group="cam 3")
    with pytest.raises(UserError, match=r"group 'cam 3'.* train \(a.mp4\) and in test \(b.mp4\)"):
        check_no_group_leak({"train": [train], "val": [], "test": [test]})
    check_no_group_leak({"train": [train, replace(test, label=0)]})


def test_the_same_file_on_two_sides_is_a_leak() -> None:
    parts = [Record(f"a.mp4#{n}", "/a.mp4", 0, n, n + 1) for n in (0.0, 1.0)]
    with pytest.raises(UserError, match=r"file '/a\.mp4'"):
        check_no_group_leak({"train": parts[:1], "val": parts[1:]})
    check_no_group_leak(  # the user says that they are different
        {"train": [replace(parts[0], group="a")], "val": [replace(parts[1], group="b")]}
    )


def test_missing_splits_are_cut_or_shared(caplog: pytest.LogCaptureFixture) -> None:
    records = make({0: 20, 1: 20})
    with caplog.at_level(logging.WARNING, "stfw"):
        all_cut = complete_splits({"train": records}, 0.15, 0.15, 0)
        assert [len(all_cut[s]) for s in ("train", "val", "test")] == [28, 6, 6]
        with_test = complete_splits({"train": records[:30], "test": records[30:]}, 0.1, 0.15, 0)
        assert len(with_test["test"]) == 10
        assert len(with_test["train"]) + len(with_test["val"]) == 30
        assert not caplog.records
        with_val = complete_splits({"train": records[:30], "val": records[30:]}, 0.1, 0.15, 0)
        assert with_val["test"] == with_val["val"] == records[30:]
        assert len(with_val["train"]) == 30
    assert "test is measured on the val videos" in caplog.text


@pytest.mark.parametrize(
    ("val", "test", "words"),
    [
        (1.0, 0.1, "data.val_fraction=1.0"),
        (0.1, -0.1, "data.test_fraction=-0.1"),
        (float("nan"), 0.1, "data.val_fraction=nan"),
        (0.5, 0.5, "sum must be below 1"),
        (0.0, 0.0, "nothing to measure on"),
    ],
)
def test_bad_fractions_are_refused(val: float, test: float, words: str) -> None:
    with pytest.raises(UserError, match=words):
        complete_splits({"train": make({0: 20, 1: 20})}, val, test, 0)


def test_only_videos_are_found_links_followed_loops_survived(tmp_path: Path) -> None:
    root = tmp_path / "data"
    wanted = ["b.MP4", "ä (1), x=2.webm", "deep/er/c.mkv", "two\nlines.mp4"]
    for name in [*wanted, "notes.txt", "._b.mp4", ".cache/d.mp4", "mp4"]:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    (root / "folder.mp4").mkdir()
    (root / "deep/loop").symlink_to(root)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/e.ts").touch()
    (root / "link").symlink_to(tmp_path / "outside")
    (root / "itself").symlink_to(root / "itself")
    assert find_videos(root) == sorted([*wanted, "link/e.ts"])


def test_a_missing_folder_gets_a_suggestion(tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"data.root=.*vidoes/a: .*did you mean 'videos'\?"):
        existing_folder(str(tmp_path / "vidoes/a"), "data.root")
    with pytest.raises(UserError, match="is not a folder"):
        existing_folder(str(tmp_path / "file"), "data.root")
    with pytest.raises(UserError, match=r"data\.root is empty"):
        existing_folder("", "data.root")
