"""``stfw table``: a YAML lists rows; what is missing is run, and the table written."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from stfw.commands.job_view import JobView
from stfw.commands.launch import Launcher, last_lines
from stfw.commands.launchers import check_jobs, check_library, make_launcher
from stfw.commands.multirun import hold, make_job
from stfw.commands.table.cells import Cell, find_done, make_cells, told_stale
from stfw.commands.table.results import make_sheet, write
from stfw.commands.table.spec import Table, read_table
from stfw.config import compose, compose_root, groups, to_plain
from stfw.runs.directory import in_group
from stfw.runs.registry import Registry
from stfw.types import UserError, nearest

USAGE = """usage: stfw table table=<name> [key=value ...] [overrides of every run]

runs what a table lacks and writes it as Markdown, CSV, LaTeX and HTML; run again after a stop, it
goes on. dry_run=true prints the plan. Any other override, as data.root=/data, goes to every run.

keys:
  table=<name>          {tables}
  rows=[a,b]            run these rows only
  repeats.<key>=[...]   other seeds or splits than the table's own
  launcher=<name>       where they run (local): {launchers}
  jobs=<n>              runs at a time (null: 1 here, all that a cluster takes)
  dry_run=true          print what would run
  stale=keep|rerun      results of other code, configs or data (keep)
  runs_dir=<folder>     where runs are looked for and kept (runs)
  tables_dir=<folder>   where the table is written, below its name (tables)
"""
KEYS = ("table", "rows", "launcher", "jobs", "dry_run", "stale", "runs_dir", "tables_dir")


def main(words: Sequence[str]) -> None:
    if not words or {"-h", "--help"} & set(words):
        found = groups()
        shown = {key: ", ".join(found.get(key[:-1], [])) for key in ("tables", "launchers")}
        print(USAGE.format(**shown), end="")
        return
    settings, table, extra = parse(words)
    cells, needs = make_cells(table, extra, None if settings["dry_run"] else verify)
    find_done(cells, Registry(settings["runs_dir"]), table.metric, not settings["dry_run"])
    rerun = settings["stale"] == "rerun"
    wanted = set(settings["rows"] or table.rows)
    wanted |= {part for name in wanted for part in table.rows[name].fuse}
    absent = [c for c in cells if c.row in wanted and (c.done is None or (c.stale and rerun))]
    missing = list({cell.key: cell for cell in reversed(absent)}.values())[::-1]  # each run once
    tell(table, cells, missing, needs, settings)
    if settings["dry_run"]:
        return
    if missing:
        check_library(settings["launcher"])
    folder = Path(settings["tables_dir"]).expanduser() / table.name
    folder.mkdir(parents=True, exist_ok=True)
    lock = hold(folder)
    try:
        complete(table, cells, missing, needs, settings, folder)
    finally:
        lock.close()
    failed = [cell for cell in cells if cell.problem]
    for cell in failed:
        print(f"failed: {cell.name}: {cell.problem}", file=sys.stderr)
    print((folder / "table.md").read_text(), end="")
    print(f"{sum(c.done is not None for c in cells)} of {len(cells)} runs  {folder}/table.html")
    if failed:
        sys.exit(1)


def verify(cfg: DictConfig) -> None:
    """The dry run of a row's runs, which needs torch."""
    from stfw.assemble import check

    check(cfg)


def parse(words: Sequence[str]) -> tuple[dict[str, Any], Table, list[str]]:
    """The command's settings, its table, and the overrides of every run.

    Raises:
        UserError: no table, or a setting that makes no sense.
    """
    own: list[str] = []
    extra: list[str] = []
    repeats: dict[str, Any] = {}
    for word in words:
        key = word.split("=", 1)[0].lstrip("+")
        if key.startswith("repeats.") and "=" in word:  # keys of a run, with dots in them
            read = OmegaConf.to_container(OmegaConf.from_dotlist([f"it={word.split('=', 1)[1]}"]))
            repeats[key.removeprefix("repeats.")] = read["it"]  # type: ignore[index,call-overload]
        else:
            (own if key.split(".")[0] in KEYS else extra).append(word)
    if not any(word.startswith("table=") for word in own):
        raise UserError(f"name a table: stfw table table={'|'.join(groups().get('table', []))}")
    composed = compose_root("table", own)
    settings = to_plain(composed.cfg)
    table = read_table(composed.choices["table"], _with_repeats(settings["table"], repeats))
    for key in ("runs_dir", "tables_dir"):
        if not isinstance(settings[key], str):
            raise UserError(f"{key}={settings[key]} is no folder")
    if settings["stale"] not in ("keep", "rerun"):
        raise UserError(f"stale={settings['stale']}: there are keep and rerun")
    check_jobs(settings["jobs"])
    settings["launcher"] = make_launcher(composed.cfg)
    for name in settings["rows"] or ():
        if name not in table.rows:
            raise UserError(
                f"rows: there is no row '{name}'{nearest(str(name), table.rows)} "
                f"(there are: {', '.join(table.rows)})"
            )
    return settings, table, extra


def _with_repeats(given: dict[str, Any], repeats: dict[str, Any]) -> dict[str, Any]:
    """A table's YAML with other repeats; of rows with repeats of their own as well."""
    rows = {
        name: {**row, "repeats": {**row["repeats"], **repeats}} if row and "repeats" in row else row
        for name, row in (given.get("rows") or {}).items()
    }
    general = given.get("repeats") or {"seed": [0]}
    return {**given, "rows": rows, "repeats": {**general, **repeats}}


def tell(
    table: Table,
    cells: Sequence[Cell],
    missing: Sequence[Cell],
    needs: dict[str, str],
    settings: dict[str, Any],
) -> None:
    """Prints what is done and what is to run, and for how long."""
    jobs = max(1, min(settings["jobs"] or 1, len(missing)))
    hours = estimate_hours(cells, missing, table.hours)
    time = "time unknown until one is done" if hours is None else f"about {hours / jobs:.2f} h"
    at_a_time = "" if settings["jobs"] is None else f", {settings['jobs']} at a time"
    print(f"{table.title}: {len(cells)} runs, {len(missing)} to run ({time}{at_a_time})")
    if stale := told_stale(cells):
        done = "run again" if settings["stale"] == "rerun" else "kept; stale=rerun runs them again"
        print(f"{stale}: {done}")
    for name, text in needs.items():
        print(f"{name}: not run: needs {text}")
    if settings["dry_run"]:
        for cell in cells:
            state = "to run" if cell in missing else "done" if cell.done else "left"
            print(f"{state:6}  {cell.name}  stfw train {' '.join(cell.overrides)}")


def estimate_hours(
    cells: Sequence[Cell], missing: Sequence[Cell], usual: float | None = None
) -> float | None:
    """Hours of all that is missing, one after the other; None: nothing tells.

    A run takes what the runs of its row took; in a row without any, what those of the others took;
    in a table without any, ``usual``.
    """
    known: dict[str, list[float]] = {}
    for cell in cells:
        if cell.done and cell.done.hours is not None:
            known.setdefault(cell.row, []).append(cell.done.hours)
    rows = {row: statistics.fmean(hours) for row, hours in known.items()}
    if rows:
        usual = statistics.fmean(rows.values())
    return None if usual is None else sum(rows.get(cell.row, usual) for cell in missing)


def complete(
    table: Table,
    cells: Sequence[Cell],
    missing: Sequence[Cell],
    needs: dict[str, str],
    settings: dict[str, Any],
    folder: Path,
) -> None:
    """Runs what is missing; the table is written anew after every run."""
    write(make_sheet(table, cells, needs), folder)
    runs_dir = str(Path(settings["runs_dir"]).expanduser().resolve())
    logs = (folder / "logs").resolve()
    logs.mkdir(exist_ok=True)
    place = [f"runs_dir={quoted(runs_dir)}", "resume=auto"]
    by_name = {cell.name: cell for cell in missing}
    jobs = []
    for cell in missing:
        words = [*cell.overrides, *place, f"name={table.name}-{cell.name}"]
        jobs.append(make_job(cell.name, cell.name, words, compose("train", words).cfg))
    launcher: Launcher = settings["launcher"]
    with (
        in_group(f"table-{table.name}"),
        JobView(jobs, logs) as view,
        closing(launcher.run(jobs, logs, settings["jobs"])) as results,
    ):
        for job, status in results:
            cell, log = by_name[job.name], job.log(logs)
            if status == 0:
                find_done(cells, Registry(settings["runs_dir"]), table.metric)
            if status != 0:
                cell.problem = f"exit {status}, see {log}\n{last_lines(log)}"
            elif cell.done is None:
                cell.problem = f"it ended without {table.metric}; see {log}"
            value = cell.done.record["metrics"][table.metric] if cell.done else float("nan")
            word = f"{table.metric} {value:.3f}"
            write(make_sheet(table, cells, needs), folder)
            view.ended(job, status, word if not cell.problem else f"failed (exit {status})")


def quoted(text: str) -> str:
    """A value that Hydra reads as this text, whatever it holds."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
