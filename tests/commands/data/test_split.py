"""Splitting: the table says what data=folder and data=table would do, and groups stay whole."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from stfw.commands.data import main
from stfw.data.folder import Folder
from stfw.data.table import Table
from stfw.types import UserError

SPLITS = ("train", "val", "test")


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    """Twelve files of two classes, in six groups of two; none of them is opened."""
    rows = ["path,group"]
    for number in range(12):
        path = tmp_path / "videos" / ("left", "right")[number % 2] / f"{number}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(str(number))
        rows.append(f"{path.relative_to(tmp_path / 'videos')},g{number % 6}")
    (tmp_path / "videos" / "groups.csv").write_text("\n".join(rows))
    return tmp_path / "videos"


def split(*words: object) -> None:
    main(["split", *map(str, words)])


def test_a_folder_is_cut_as_training_would_cut_it(
    videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "split.csv"
    split(videos, "--out", out, "--val", 0.3, "--test", 0.2, "--seed", 5)
    reader, table = Folder(str(videos), None, 0.3, 0.2, 5), Table(str(out))
    assert table.classes == reader.classes
    for name in SPLITS:
        assert [r.path for r in table.records(name)] == [r.path for r in reader.records(name)]
        assert [r.label for r in table.records(name)] == [r.label for r in reader.records(name)]
    told = capsys.readouterr().out.splitlines()
    assert told[0].split() == ["class", *SPLITS]
    sizes = [len(reader.records(name)) for name in SPLITS]
    assert told[3].split() == ["all", *map(str, sizes)]


def test_groups_stay_whole(videos: Path, tmp_path: Path) -> None:
    out = tmp_path / "split.csv"
    split(videos, "--groups", "groups.csv", "--out", out)
    sides: dict[str | None, set[str]] = {}
    table = Table(str(out))
    for name in SPLITS:
        for record in table.records(name):
            sides.setdefault(record.group, set()).add(name)
    assert set(sides) == {f"g{k}" for k in range(6)}
    assert all(len(found) == 1 for found in sides.values())


def test_a_table_keeps_its_columns_and_gets_a_split(videos: Path, tmp_path: Path) -> None:
    rows = ["path,label,start_sec,end_sec,camera"]
    for path in sorted(videos.rglob("*.mp4")):
        place = path.relative_to(videos)
        rows += [f"{place},{path.parent.name},0,2.5,c{path.stem}"]
        rows += [f"{place},{path.parent.name},2.5,,c{path.stem}"]
    table, out = videos / "table.csv", videos / "split.csv"
    table.write_text("\n".join(rows))
    split(table, "--out", out, "--seed", 3)
    with out.open() as file:
        written = list(csv.DictReader(file))
    assert len(written) == 24
    assert all(row["camera"] == f"c{Path(row['path']).stem}" for row in written)
    before, after = Table(str(table), split_seed=3), Table(str(out))
    for name in SPLITS:
        assert [(r.path, r.start_sec, r.end_sec) for r in after.records(name)] == [
            (r.path, r.start_sec, r.end_sec) for r in before.records(name)
        ]
    again = videos / "again.csv"
    split(out, "--out", again, "--seed", 3)  # the column split is cut anew
    assert [r.path for r in Table(str(again)).records("test")] == [
        r.path for r in after.records("test")
    ]


def test_a_table_takes_groups_from_another(videos: Path, tmp_path: Path) -> None:
    paths = sorted(path.relative_to(videos) for path in videos.rglob("*.mp4"))
    (videos / "table.csv").write_text(
        "\n".join(["path,label", *(f"{p},{p.parent.name}" for p in paths)])
    )
    split(videos / "table.csv", "--groups", videos / "groups.csv", "--out", tmp_path / "s.csv")
    records = [r for name in SPLITS for r in Table(str(tmp_path / "s.csv")).records(name)]
    assert {r.group for r in records} == {f"g{k}" for k in range(6)}
    (videos / "groups.csv").write_text("path,group\nleft/0.mp4,g0\n")
    with pytest.raises(UserError, match="has no group for"):
        split(videos / "table.csv", "--groups", videos / "groups.csv", "--out", tmp_path / "t.csv")


def test_several_labels(videos: Path, tmp_path: Path) -> None:
    paths = sorted(path.relative_to(videos) for path in videos.rglob("*.mp4"))
    rows = [f"{p},{('a', 'a|b', 'b')[k % 3]}" for k, p in enumerate(paths)]
    (videos / "table.csv").write_text("\n".join(["path,label", *rows]))
    split(videos / "table.csv", "--multi-label", "--out", tmp_path / "s.csv")
    table = Table(str(tmp_path / "s.csv"), multi_label=True)
    assert table.classes == ["a", "b"]
    assert sum(len(table.records(name)) for name in SPLITS) == 12


def test_no_test_part(videos: Path, tmp_path: Path) -> None:
    split(videos, "--out", tmp_path / "s.csv", "--test", 0)
    table = Table(str(tmp_path / "s.csv"))
    assert table.records("val") == table.records("test")
    assert len(table.records("train")) + len(table.records("val")) == 12


def test_nothing_is_overwritten_unasked(videos: Path, tmp_path: Path) -> None:
    out = tmp_path / "s.csv"
    out.write_text("precious")
    with pytest.raises(UserError, match="is there already; --force overwrites it"):
        split(videos, "--out", out)
    assert out.read_text() == "precious"
    split(videos, "--out", out, "--force")
    assert out.read_text().startswith("path,label")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--out", "s.txt"], "ends in .csv"),
        (["--out", "s.csv", "--val", "0.6", "--test", "0.5"], "sum must be below 1"),
        (["--out", "s.csv", "--root", "."], "go with a table"),
    ],
)
def test_mistakes_are_told(
    videos: Path, words: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(videos)
    with pytest.raises(UserError, match=message):
        split(videos, *words)
    assert not (videos / "s.csv").exists()
