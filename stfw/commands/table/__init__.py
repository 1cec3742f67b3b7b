"""``stfw table``: a YAML lists rows; what is missing is run, and the table written."""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from stfw.commands.launch import Job, last_lines, run_all
from stfw.commands.table.cells import Cell, find_done, make_cells
from stfw.commands.table.results import make_sheet, write
from stfw.commands.table.spec import Table, read_table
from stfw.config import compose_root, groups, to_plain
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
  jobs=<n>              runs at a time (1)
  dry_run=true          print what would run
  stale=keep|rerun      results of other code (keep)
  runs_dir=<folder>     where runs are looked for and kept (runs)
  tables_dir=<folder>   where the table is written, below its name (tables)
"""
KEYS = ("table", "rows", "jobs", "dry_run", "stale", "runs_dir", "tables_dir")


def main(words: Sequence[str]) -> None:
    if not words or {"-h", "--help"} & set(words):
        print(USAGE.format(tables=", ".join(groups().get("table", []))), end="")
        return
    settings, table, extra = parse(words)
    cells, needs = make_cells(table, extra, None if settings["dry_run"] else verify)
    find_done(cells, Registry(settings["runs_dir"]), table.metric)
    rerun = settings["stale"] == "rerun"
    wanted = set(settings["rows"] or table.rows)
    wanted |= {part for name in wanted for part in table.rows[name].fuse}
    absent = [c for c in cells if c.row in wanted and (c.done is None or (c.is_stale and rerun))]
    missing = list({cell.key: cell for cell in reversed(absent)}.values())[::-1]  # each run once
    tell(table, cells, missing, needs, settings)
    if settings["dry_run"]:
        return
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
    if not isinstance(settings["jobs"], int) or settings["jobs"] < 1:
        raise UserError(f"jobs={settings['jobs']} must be a whole number of at least 1")
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
    hours = [cell.done.hours for cell in cells if cell.done and cell.done.hours is not None]
    known = f"about {sum(hours) / len(hours):.2f} h each" if hours else "time unknown"
    stale = sum(cell.is_stale for cell in cells)
    print(
        f"{table.title}: {len(cells)} runs, {len(missing)} to run "
        f"({known}, {settings['jobs']} at a time)"
    )
    if stale:
        done = "run again" if settings["stale"] == "rerun" else "kept; stale=rerun runs them again"
        print(f"{stale} results are of another state of the code: {done}")
    for name, text in needs.items():
        print(f"{name}: not run: needs {text}")
    if settings["dry_run"]:
        for cell in cells:
            state = "done" if cell.done else "to run" if cell in missing else "left"
            print(f"{state:6}  {cell.name}  stfw train {' '.join(cell.overrides)}")


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
    count, runs_dir = 0, str(Path(settings["runs_dir"]).expanduser().resolve())

    def ended(job: Job, status: int, log: Path) -> None:
        nonlocal count
        count += 1
        cell = by_name[job.name]
        if status == 0:
            find_done(cells, Registry(settings["runs_dir"]), table.metric)
        if status != 0:
            cell.problem = f"exit {status}, see {log}\n{last_lines(log)}"
        elif cell.done is None:
            cell.problem = f"it ended without {table.metric}; see {log}"
        value = cell.done.record["metrics"][table.metric] if cell.done else float("nan")
        word = f"{table.metric} {value:.3f}" if not cell.problem else f"failed (exit {status})"
        write(make_sheet(table, cells, needs), folder)
        print(f"{count}/{len(missing)}  {cell.name}  {word}", flush=True)

    by_name = {cell.name: cell for cell in missing}
    place = [f"runs_dir={quoted(runs_dir)}", "resume=auto"]
    jobs = [
        Job(cell.name, [*cell.overrides, *place, f"name={table.name}-{cell.name}"])
        for cell in missing
    ]
    with in_group(f"table-{table.name}"):
        run_all(jobs, settings["jobs"], folder / "logs", ended)


def quoted(text: str) -> str:
    """A value that Hydra reads as this text, whatever it holds."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def hold(folder: Path) -> Any:
    """A lock on the table's folder, held until it is closed or the process ends.

    Raises:
        UserError: another process holds it.
    """
    lock = (folder / ".lock").open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.seek(0)
        other = lock.read().strip()
        raise UserError(f"{folder}: this table is being run by process {other}") from error
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock
