"""``stfw runs compare``: differences and curves of two or more runs on one page."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stfw.commands.runs.select import FILTER_HELP, in_order, read_words, select
from stfw.commands.runs.show import exact
from stfw.runs.difference import differences
from stfw.runs.entry import Entry, find_entry
from stfw.types import UserError

USAGE = f"""usage: stfw runs compare <run> <run> [<run> ...] | <filter> [out=compare.html]
                          [runs_dir=runs]

one page that needs no other file: how the runs' configs, data, environment and scores differ, and
their curves together; runs are named, or all that pass a filter
{FILTER_HELP}"""
MAX_RUNS = 40  # more lines in a picture say nothing
MAX_ABOUT = 3  # keys that tell a run from the others, in the legend


def main(words: Sequence[str]) -> None:
    if not words or {"-h", "--help"} & set(words):
        print(USAGE, end="")
        return
    given = read_words(words, {"out": "compare.html", "runs_dir": "runs"})
    runs = chosen_runs(given.words, given.options["runs_dir"])
    if len(runs) < 2:
        raise UserError(f"{len(runs)} run is not enough to compare; name two or more")
    if len(runs) > MAX_RUNS:
        raise UserError(f"{len(runs)} runs are too many for one page (at most {MAX_RUNS})")
    from stfw.reports.compare import compare_page
    from stfw.runs.directory import write_text

    found = differences(runs)
    shown = {
        section: {key: [exact(value) for value in row] for key, row in rows.items()}
        for section, rows in found.items()
    }
    path = Path(given.options["out"]).expanduser()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, compare_page(compared(runs, found), shown))
    except OSError as error:
        raise UserError(f"out={path}: cannot be written ({error.strerror})") from error
    counts = ", ".join(f"{len(rows)} {name}" for name, rows in found.items() if rows)
    print(f"different: {counts or 'nothing'}")
    print(f"{len(runs)} runs  {path}")


def chosen_runs(words: Sequence[str], runs_dir: str) -> list[Entry]:
    """Runs by name and by filter, each once, the oldest first."""
    filters = [w for w in words if re.search(r"[=<>~]", w) and not Path(w).expanduser().is_dir()]
    runs = [find_entry(word, runs_dir) for word in words if word not in filters]
    if filters:
        runs += in_order(select(filters, runs_dir)[0], "date")
    return list({run.path.resolve(): run for run in runs}.values())


def compared(runs: Sequence[Entry], found: Mapping[str, Mapping[str, Sequence[Any]]]) -> list[Any]:
    """Labels, facts and curves for the page."""
    from stfw.reports.compare import Compared
    from stfw.reports.read import read_run

    ids = [run.id for run in runs]
    telling = {**found["choices"], **found["config"]}
    short = {k: row for k, row in telling.items() if all(len(exact(v)) < 16 for v in row)}
    keys = sorted(short, key=lambda key: -len(set(map(exact, short[key]))))[:MAX_ABOUT]
    return [
        Compared(
            label=run.id if ids.count(run.id) == 1 else str(run.value("run")),
            about=" ".join(f"{key}={exact(telling[key][place])}" for key in keys),
            facts={
                "status": run.status,
                "date": run.date,
                "hours": None if run.value("hours") is None else f"{run.value('hours'):.2f}",
                **{name: run.metrics.get(name) for name in ("val/top1", "test/top1")},
                "folder": run.value("run"),
            },
            epochs=read_run(run.path).epochs,
        )
        for place, run in enumerate(runs)
    ]
