"""Tables: labels, parts, splits, and mistakes with file and line."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

import pytest

from stfw.data.table import Table
from stfw.types import UserError

SPLITS = ("train", "val", "test")


def write(root: Path, text: str, name: str = "t.csv") -> str:
    for n in range(6):
        (root / f"{n}.mp4").touch()
    (root / name).write_text(text, encoding="utf-8")
    return str(root / name)


def rows(*labels: str) -> str:
    return "path,label\n" + "\n".join(f"{n % 6}.mp4,{label}" for n, label in enumerate(labels))


def by_name(table: Table) -> dict[str, str]:
    return {r.video_id: table.classes[r.label] for s in SPLITS for r in table.records(s)}


def test_names_are_sorted(tmp_path: Path) -> None:
    table = Table(write(tmp_path, rows("b", "a", "b", "a", "10", "10")))
    assert table.classes == ["10", "a", "b"]
    assert by_name(table)["0.mp4"] == "b"


def test_integers_are_in_numeric_order(tmp_path: Path) -> None:
    table = Table(write(tmp_path, rows("10", "9", "10", "9", "9", "10")))
    assert table.classes == ["9", "10"]
    assert by_name(table)["0.mp4"] == "10"


def test_given_classes_are_kept_and_indexed(tmp_path: Path) -> None:
    path = write(tmp_path, rows("2", "0", "2", "0", "2", "0"))
    table = Table(path, classes=["run", "jump", "walk"])
    assert table.classes == ["run", "jump", "walk"]
    assert by_name(table)["0.mp4"] == "walk"
    assert by_name(Table(path, classes=["2", "0"]))["0.mp4"] == "2"  # names come before indices
    with pytest.raises(UserError, match=r"t.csv:2: label 2 is no index into the 2 data.classes"):
        Table(path, classes=["run", "jump"])


def test_split_column_in_any_spelling(tmp_path: Path) -> None:
    spelled = ["train", "Train", "VALID", "validation", "val", "test"]
    lines = [f"{n}.mp4,{'ab'[n % 2]},{split}" for n, split in enumerate(spelled)]
    table = Table(write(tmp_path, "path,label,split\n" + "\n".join(lines)))
    assert [len(table.records(split)) for split in SPLITS] == [2, 3, 1]


def test_the_order_of_rows_does_not_matter(tmp_path: Path) -> None:
    lines = rows("b", "a", "b", "a", "b", "a").splitlines()
    first = Table(write(tmp_path, "\n".join(lines)))
    second = Table(write(tmp_path, "\n".join([lines[0], *reversed(lines[1:])]), "u.csv"))
    assert all(first.records(split) == second.records(split) for split in SPLITS)


def test_jsonl_csv_and_a_byte_order_mark_read_alike(tmp_path: Path) -> None:
    name = 'clip (1), "x"=2 ä.mp4'
    (tmp_path / name).touch()
    items = [
        {"path": f"{n}.mp4", "label": "ab"[n % 2], "start_sec": 1, "end_sec": 2.5, "group": n // 2}
        for n in range(6)
    ] + [{"path": name, "label": "a", "start_sec": None, "extra": [1]}]
    path = write(tmp_path, "\n\n".join(json.dumps(item) for item in items), "t.jsonl")
    quoted = '"' + name.replace('"', '""') + '"'
    lines = [f"{n}.mp4,{'ab'[n % 2]},1,2.5,{n // 2}" for n in range(6)]
    text = "\ufeffpath,label,start_sec,end_sec,group\n" + "\n".join([*lines, f"{quoted},a"])
    first, second = Table(path), Table(write(tmp_path, text))
    assert all(first.records(split) == second.records(split) for split in SPLITS)
    records = {r.video_id: r for split in SPLITS for r in first.records(split)}
    assert name in records
    part = records["3.mp4#1.0-2.5"]
    assert (part.start_sec, part.end_sec, part.group) == (1.0, 2.5, "1")


def test_paths_start_at_the_table_or_at_root(tmp_path: Path) -> None:
    text = rows("a", "b", "a", "b", "a", "b")
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists/t.csv").write_text(text)
    write(tmp_path, "")
    with pytest.raises(
        UserError, match=r"6 of 6 videos are not there: .*2.mp4, \.\.\.; .*data.root"
    ):
        Table(str(tmp_path / "lists/t.csv"))
    table = Table(str(tmp_path / "lists/t.csv"), root=str(tmp_path))
    assert {r.path for s in SPLITS for r in table.records(s)} == {
        str(tmp_path / f"{n}.mp4") for n in range(6)
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("path,lable\n0.mp4,a", "no column 'label' among path, lable; did you mean 'lable'"),
        ("0.mp4 a\n1.mp4 b", "no column 'path'"),
        ("path,label\n", "has no rows"),
        ("", "has no rows"),
        ("path,label\n0.mp4,a\n1.mp4,\n", "t.csv:3: 'label' is empty"),
        ("path,label\n0.mp4,a\n1.mp4,b,c\n", "t.csv:3: more fields than columns"),
        ("path,path,label\n0.mp4,1.mp4,a", "t.csv:1: a column stands twice"),
        ('path,label\n0.mp4,a\n"1".mp4,b', "t.csv:3: "),
        ("path,label\n0.mp4,a\n1.mp4,a", "one class only, 'a'"),
        ("path,label\n0.mp4,a\n./0.mp4,b", "t.csv:3: 0.mp4 already stands at .*t.csv:2"),
        ("path,label,split\n0.mp4,a,train\n1.mp4,b,tset", "t.csv:3: split 'tset'.*mean 'test'"),
        ("path,label,split\n0.mp4,a,train\n1.mp4,b,", "t.csv:3: split ''.*write train"),
        ("path,label,split\n0.mp4,a,val\n1.mp4,b,test", "names no row train"),
        ("path,label,start_sec\n0.mp4,a,1\n1.mp4,b,x", "t.csv:3: start_sec=x is no number"),
        ("path,label,end_sec\n0.mp4,a,-1\n1.mp4,b,1", "t.csv:2: end_sec=-1 is no number"),
        ("path,label,end_sec\n0.mp4,a,nan\n1.mp4,b,1", "t.csv:2: end_sec=nan is no number"),
        ("path,label,start_sec,end_sec\n0.mp4,a,2,2\n1.mp4,b,,", "start_sec=2.0 is not before"),
        ("path,label,end_sec\n0.mp4,a,0\n1.mp4,b,", "start_sec=0.0 is not before end_sec=0.0"),
        (
            "path,label,group,split\n0.mp4,a,g,train\n1.mp4,b,h,train\n2.mp4,a,g,test",
            r"group 'g' .*train \(0.mp4\) and in test \(2.mp4\)",
        ),
        (
            "path,label,start_sec,split\n0.mp4,a,0,train\n0.mp4,b,5,test\n1.mp4,a,0,val",
            "file .*0.mp4' stands on two sides.*different groups",
        ),
    ],
)
def test_mistakes_are_named_with_their_line(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        Table(write(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_jsonl_mistakes_are_named_with_their_line(tmp_path: Path) -> None:
    good = '{"path": "0.mp4", "label": "a"}\n'
    for bad, words in {
        "{path: 1}": "t.jsonl:2: not JSON",
        "[1]": "t.jsonl:2: not an object",
        '{"path": "1.mp4", "label": ["a", "b"]}': "t.jsonl:2: label=.* is not one value",
        '{"path": "1.mp4"}': "t.jsonl:2: 'label' is empty",
    }.items():
        with pytest.raises(UserError, match=words):
            Table(write(tmp_path, good + bad, "t.jsonl"))


def test_other_mistakes_are_named(tmp_path: Path) -> None:
    path = write(tmp_path, rows("run", "walk", "run", "walk"))
    with pytest.raises(UserError, match=r"did you mean 't\.csv'"):
        Table(str(tmp_path / "tt.csv"))
    with pytest.raises(UserError, match=r"'\.txt' is not known"):
        Table(write(tmp_path, "", "t.txt"))
    with pytest.raises(UserError, match=r"t.csv:3: label 'walk' .*did you mean 'walking'"):
        Table(path, classes=["run", "walking"])
    with pytest.raises(UserError, match="names a class twice"):
        Table(path, classes=["run", "walk", "run"])
    (tmp_path / "latin.csv").write_bytes(b"path,label\n\xe4.mp4,a")
    with pytest.raises(UserError, match="UTF-8"):
        Table(str(tmp_path / "latin.csv"))


def test_a_near_miss_of_an_optional_column_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = "path,label,groups,width\n" + "\n".join(f"{n}.mp4,{'ab'[n % 2]},g,1" for n in range(6))
    with caplog.at_level(logging.WARNING, "stfw"):
        Table(write(tmp_path, text))
    assert "'groups' is ignored; did you mean 'group'?" in caplog.text
    assert "width" not in caplog.text


def test_several_labels_per_video(tmp_path: Path) -> None:
    path = write(tmp_path, rows("run|jump", "walk", "jump", "run", "walk|run|walk", "jump"))
    table = Table(path, multi_label=True)
    assert table.classes == ["jump", "run", "walk"]
    labels = {r.video_id: r.label for s in SPLITS for r in table.records(s)}
    assert labels["0.mp4"] == (0, 1)
    assert labels["1.mp4"] == (2,)
    assert labels["4.mp4"] == (1, 2)
    with pytest.raises(UserError, match=r"t\.csv:2: label 'run' is not among"):
        Table(path, classes=["jump", "walk"], multi_label=True)


@pytest.mark.parametrize("name", ["t.jsonl", "t.parquet"])
def test_lists_of_labels_in_other_formats(tmp_path: Path, name: str) -> None:
    given = [["run", "jump"], ["walk"], ["jump"], ["run"], ["walk", "run"], ["jump"]]
    values = [{"path": f"{n}.mp4", "label": label} for n, label in enumerate(given)]
    path = write(tmp_path, "\n".join(map(json.dumps, values)), name)
    if name.endswith("parquet"):
        arrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
        from pyarrow import parquet

        parquet.write_table(arrow.Table.from_pylist(values), path)
    labels = {r.video_id: r.label for s in SPLITS for r in Table(path, multi_label=True).records(s)}
    assert labels["0.mp4"] == (0, 1)


def test_parquet_tables_have_types_and_mistakes(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    from pyarrow import parquet

    path = write(tmp_path, "", "t.parquet")
    values = [
        {"path": f"{n}.mp4", "label": n % 2, "start_sec": 0.5 * n, "split": split}
        for n, split in enumerate(["train", "train", "val", "test"])
    ]
    parquet.write_table(arrow.Table.from_pylist(values), path)
    table = Table(path)
    assert table.classes == ["0", "1"]
    assert [r.start_sec for r in table.records("train")] == [0.0, 0.5]
    (tmp_path / "t.parquet").write_text("no")
    with pytest.raises(UserError, match="cannot be read as parquet"):
        Table(path)


def test_mistakes_in_several_labels_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"t\.csv:3: label 'run\|\|jump' has an empty class"):
        Table(write(tmp_path, rows("run", "run||jump")), multi_label=True)
    lines = [{"path": "0.mp4", "label": ["run"]}, {"path": "1.mp4", "label": ["a|b", "run"]}]
    path = write(tmp_path, "\n".join(map(json.dumps, lines)), "t.jsonl")
    with pytest.raises(UserError, match=r"t\.jsonl:2: label=.* has a \| in a name"):
        Table(path, multi_label=True)


def test_parquet_without_pyarrow_names_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)  # an import of it now fails
    with pytest.raises(UserError, match=r'pip install "stfw\[parquet\]"'):
        Table(write(tmp_path, "", "t.parquet"))
