"""``stfw runs list``: the runs that pass a filter."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Sequence

from stfw.commands.runs.select import (
    FILTER_HELP,
    check_keys,
    in_order,
    read_words,
    select,
    whole_number,
)
from stfw.commands.runs.show import cell, columns
from stfw.runs.config_text import MISSING
from stfw.runs.entry import Entry
from stfw.types import UserError

USAGE = f"""usage: stfw runs list [filter ...] [sort=<key>] [columns=<key,...>] [limit=<n>]
                       [runs_dir=runs] [--json | --csv]

the runs below runs_dir, oldest first; with a filter those that pass it (several: all of them)
sort=-val/top1 sorts downwards; columns= chooses what is shown; limit= keeps the last ones
{FILTER_HELP}"""
OPTIONS = {"sort": "date", "columns": "", "limit": "", "runs_dir": "runs"}
COLUMNS = ["date", "status", "model", "data", "seed", "val/top1", "test/top1", "tags"]


def main(words: Sequence[str]) -> None:
    if {"-h", "--help"} & set(words):
        print(USAGE, end="")
        return
    given = read_words(words, OPTIONS, ("--json", "--csv"))
    if len(given.flags) > 1:
        raise UserError("--json and --csv: choose one of them")
    limit = whole_number(given, "limit")
    chosen, every, asked = select(given.words, given.options["runs_dir"])
    shown = [key for key in given.options["columns"].split(",") if key]
    check_keys([*shown, given.options["sort"].lstrip("-")], every)
    chosen = in_order(chosen, given.options["sort"])
    if limit is not None:  # downwards the first are meant, upwards the newest
        chosen = chosen[:limit] if given.options["sort"].startswith("-") else chosen[-limit:]
    keys = [*dict.fromkeys([*(shown or [*COLUMNS, *asked]), "run"])]
    if "--json" in given.flags:
        print(as_json(chosen, keys))
    elif "--csv" in given.flags:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(keys)
        for entry in chosen:
            values = (entry.value(key) for key in keys)
            writer.writerow(["" if v is MISSING or v is None else _joined(v) for v in values])
    else:
        if chosen:
            print(columns(keys, [[cell(entry.value(key)) for key in keys] for entry in chosen]))
        print(f"{len(chosen)} of {len(every)} runs")


def as_json(chosen: Sequence[Entry], keys: Sequence[str]) -> str:
    """A JSON list, a run per line."""
    lines = (json.dumps(as_plain(entry, keys), ensure_ascii=False) for entry in chosen)
    return "[" + ",\n ".join(lines) + "]"


def as_plain(entry: Entry, keys: Sequence[str]) -> dict[str, object]:
    """The shown values and, always, what tells a run from another."""
    found = {key: entry.value(key) for key in ("run", "id", "name", "status", "date", *keys)}
    known = {key: None if value is MISSING else value for key, value in found.items()}
    return {**known, "choices": entry.choices, "metrics": entry.metrics, "tags": entry.tags}


def _joined(value: object) -> object:
    return " ".join(map(str, value)) if isinstance(value, list | dict) else value
