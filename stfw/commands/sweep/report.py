"""``stfw sweep report``: the best trials, what mattered, and a page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from stfw.commands.sweep.results import read_results, result_line, shown, to_json
from stfw.reports.sweep_sheet import SweepSheet
from stfw.runs.study import StudyFolder
from stfw.types import UserError, nearest

USAGE = """usage: stfw sweep report sweep=<name or folder> [top=5] [sweeps_dir=sweeps] [--json]

prints the best trials, what mattered, and their commands; writes <folder>/report.html
"""
KEYS = ("sweep", "top", "sweeps_dir")
TOP = 5


def main(words: Sequence[str]) -> None:
    from stfw.reports.sweep import to_text

    if not words or {"-h", "--help"} & set(words):
        print(USAGE, end="")
        return
    given, as_json = parse(words)
    folder = find(given["sweep"], given.get("sweeps_dir", "sweeps"))
    top = given.get("top", str(TOP))
    if not top.isdecimal() or top == "0":
        raise UserError(f"top={top} must be a whole number of at least 1")
    sheet = read_results(folder, with_importance=True)
    if as_json:
        print(json.dumps(to_json(sheet, int(top)), indent=2, ensure_ascii=False))
        return
    print(to_text(sheet, int(top)))
    print(f"report {shown(write(sheet, folder.path, int(top)))}")
    print(result_line(sheet))


def parse(words: Sequence[str]) -> tuple[dict[str, str], bool]:
    """The command's words.

    Raises:
        UserError: no sweep, or a key that there is not.
    """
    given: dict[str, str] = {}
    as_json = False
    for word in words:
        key, found, value = word.partition("=")
        if word == "--json":
            as_json = True
        elif word.startswith("-"):
            raise UserError(f"{word}: no such option (there is: --json)")
        elif not found or Path(word).is_dir():
            given["sweep"] = word
        elif key not in KEYS:
            raise UserError(
                f"{word}: no such key{nearest(key, KEYS)} (there are: {', '.join(KEYS)})"
            )
        else:
            given[key] = value
    if "sweep" not in given:
        raise UserError("name a sweep: stfw sweep report sweep=<name or folder>")
    return given, as_json


def find(where: str, sweeps_dir: str) -> StudyFolder:
    """The sweep that was named.

    Raises:
        UserError: there is none.
    """
    below = Path(sweeps_dir).expanduser()
    for path in (Path(where).expanduser(), below / where):
        folder = StudyFolder(path.resolve())
        if folder.database.is_file():
            return folder
    there = sorted(path.parent.name for path in below.glob("*/study.db"))
    raise UserError(
        f"sweep={where}: there is no such sweep{nearest(where, there)} "
        f"(in {sweeps_dir}: {', '.join(there) or 'none'})"
    )


def write(sheet: SweepSheet, folder: Path, top: int = TOP) -> Path:
    """Writes the page beside the study."""
    from stfw.reports.sweep import to_html
    from stfw.runs.directory import write_text

    page = folder / "report.html"
    write_text(page, to_html(sheet, top))
    return page
