"""``stfw runs diff``: what differs between two runs, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from stfw.commands.runs.select import read_words
from stfw.commands.runs.show import columns, exact
from stfw.runs.config_text import MISSING
from stfw.runs.difference import differences
from stfw.runs.entry import find_entry
from stfw.types import UserError

USAGE = """usage: stfw runs diff <run> <run> [runs_dir=runs] [--json]

what differs: choices and resolved config, versions, machine and git, data (fingerprint, counts),
scores; a run is its folder, its id, or a part of its folder's name that no other has
"""


def main(words: Sequence[str]) -> None:
    if {"-h", "--help"} & set(words):
        print(USAGE, end="")
        return
    given = read_words(words, {"runs_dir": "runs"}, ("--json",))
    if len(given.words) != 2:
        raise UserError("name two runs: stfw runs diff <run> <run>; more: stfw runs compare")
    runs = [find_entry(word, given.options["runs_dir"]) for word in given.words]
    if runs[0].path.resolve() == runs[1].path.resolve():
        raise UserError(f"{given.words[0]} and {given.words[1]} name the same run")
    found = differences(runs)
    names = [str(run.value("run")) for run in runs]
    if "--json" in given.flags:
        plain = {
            section: {key: [None if v is MISSING else v for v in row] for key, row in rows.items()}
            for section, rows in found.items()
        }
        print(json.dumps({"runs": names, **plain}, indent=2, ensure_ascii=False))
        return
    for place, name in zip("AB", names, strict=True):
        print(f"{place}  {name}")
    for section, rows in found.items():
        if rows:
            table = [[key, *map(exact, row), _change(section, row)] for key, row in rows.items()]
            head = [section, "A", "B", "B - A" if section == "metrics" else ""]
            print(f"\n{columns(head, table)}")
    counts = ", ".join(f"{len(rows)} {section}" for section, rows in found.items() if rows)
    print(f"\ndifferent: {counts}" if counts else "\nnothing differs")


def _change(section: str, row: Sequence[Any]) -> str:
    if section != "metrics" or not all(isinstance(value, int | float) for value in row):
        return ""
    return f"{row[1] - row[0]:+.4f}"
