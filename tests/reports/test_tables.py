"""A table in four formats says the same, and nothing in it becomes markup."""

from __future__ import annotations

import csv
import dataclasses
import io

from stfw.reports.tables import Sheet, to_csv, to_html, to_latex, to_markdown

SHEET = Sheet(
    title="A & B <i>",
    text="Text.",
    head=["row", "test/top1"],
    rows=[["rgb | flow_1", "0.500 ± 0.100"], ["50 %", "–"]],
    commands=[("rgb | flow_1", "stfw train seed=0,1")],
    claims=[["more is better", "us", "refuted", "0.1 against 0.2"]],
    notes=["two seeds"],
)


def test_markdown_has_a_line_per_row() -> None:
    text = to_markdown(SHEET)
    assert r"| rgb \| flow_1 | 0.500 ± 0.100 |" in text
    assert "| more is better | us | refuted | 0.1 against 0.2 |" in text
    assert "    stfw train seed=0,1  # rgb | flow_1" in text


def test_csv_reads_back() -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv(SHEET))))
    assert [row["row"] for row in rows] == ["rgb | flow_1", "50 %"]
    assert rows[0]["command"] == "stfw train seed=0,1"
    wide = dataclasses.replace(
        SHEET, head=["row", "x", "y"], rows=[["a", "1", "2"], ["a, b", "1", ""]],
        commands=[("a, x", "one"), ("a, y", "two"), ("a, b, x", "three")],
    )  # fmt: skip
    assert [row["command"] for row in csv.DictReader(io.StringIO(to_csv(wide)))] == [
        "one; two",
        "three",
    ]


def test_latex_escapes_its_marks() -> None:
    text = to_latex(SHEET)
    assert r"rgb | flow\_1 & 0.500 $\pm$ 0.100 \\" in text
    assert r"50 \% & -- \\" in text
    text = to_latex(dataclasses.replace(SHEET, rows=[["a\\b", "~2^3"]]))
    assert r"a\textbackslash{}b & \textasciitilde{}2\textasciicircum{}3 \\" in text


def test_html_escapes_markup() -> None:
    text = to_html(SHEET)
    assert "A &amp; B &lt;i&gt;" in text
    assert "<i>" not in text
