"""A table of results as Markdown, CSV, LaTeX and HTML."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

from stfw.reports import html
from stfw.reports.document import document


@dataclass(frozen=True)
class Sheet:
    """What a table shows: text, ready to be laid out.

    Attributes:
        title: of the table.
        text: paragraphs before and after it.
        head: names of the columns.
        rows: as many cells as ``head``.
        commands: row name, where there are several columns ``row, column``, and what runs it.
        claims: claim, source, verdict and figures; may be empty.
        notes: what a reader must know of these very results.
    """

    title: str
    text: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    commands: Sequence[tuple[str, str]]
    claims: Sequence[Sequence[str]]
    notes: Sequence[str]


CLAIM_HEAD = ("claim", "source", "verdict", "figures")


def to_markdown(sheet: Sheet) -> str:
    parts = [f"# {sheet.title}", sheet.text, _pipes(sheet.head, sheet.rows)]
    if sheet.claims:
        parts += ["## Claims", _pipes(CLAIM_HEAD, sheet.claims)]
    parts += [f"- {note}" for note in sheet.notes]
    if sheet.commands:
        listed = "\n".join(f"    {command}  # {name}" for name, command in sheet.commands)
        parts += ["## Commands", listed]
    return "\n\n".join(part for part in parts if part) + "\n"


def to_csv(sheet: Sheet) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*sheet.head, "command"])
    for row in sheet.rows:
        names = (row[0], *(f"{row[0]}, {column}" for column in sheet.head))
        own = [command for name, command in sheet.commands if name in names]
        writer.writerow([*row, "; ".join(own)])
    return text.getvalue()


def to_latex(sheet: Sheet) -> str:
    """A ``tabular`` of the booktabs package."""
    lines = [rf"% {sheet.title}", rf"\begin{{tabular}}{{l{'r' * (len(sheet.head) - 1)}}}"]
    lines += [r"\toprule", _ampersands(sheet.head), r"\midrule"]
    lines += [_ampersands(row) for row in sheet.rows]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"


def to_html(sheet: Sheet) -> str:
    sections = {"Results": html.table(sheet.head, sheet.rows)}
    if sheet.claims:
        sections["Claims"] = html.table(CLAIM_HEAD, sheet.claims)
    if sheet.notes:
        sections["Notes"] = "".join(html.paragraph(note) for note in sheet.notes)
    sections["Commands"] = html.table(("row", "command"), sheet.commands)
    header = f"<h1>{html.escape(sheet.title)}</h1>{html.paragraph(sheet.text)}"
    return document(sheet.title, header, sections)


def _pipes(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"

    return "\n".join([line(head), "|" + "---|" * len(head), *(line(row) for row in rows)])


def _ampersands(cells: Sequence[str]) -> str:
    return " & ".join(_escaped(cell) for cell in cells) + r" \\"


LATEX = {mark: f"\\{mark}" for mark in "&%$#_{}"} | {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "±": r"$\pm$", "–": "--",
}  # fmt: skip


def _escaped(text: str) -> str:
    return "".join(LATEX.get(mark, mark) for mark in text)
