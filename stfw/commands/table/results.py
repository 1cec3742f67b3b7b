"""From a table's runs to its rows, verdicts and files."""

from __future__ import annotations

import shlex
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stfw.commands.table.cells import Cell, told_stale
from stfw.commands.table.spec import Table, fused_columns
from stfw.reports.tables import Sheet, to_csv, to_html, to_latex, to_markdown
from stfw.reports.verdicts import Summary, against_published, compare, summarise
from stfw.types import UserError


def make_sheet(table: Table, cells: Sequence[Cell], needs: Mapping[str, str]) -> Sheet:
    """The table as it stands: rows that are not complete say so."""
    several = list(table.columns) != ["value"]
    has_published = any(row.published for row in table.rows.values())
    head = ["row", *(table.columns if several else [table.metric])]
    head += ["published", "difference", "status"] if has_published else []
    head += ["parameters", "GMACs per view", "clips/s", "hours"]
    results = {name: _results(table, name, cells, table.metric) for name in table.rows}
    rows = []
    for name in table.rows:
        if name in needs:
            values = [f"not run: needs {needs[name]}", *[""] * (len(table.columns) - 1)]
        else:
            values = [str(results[name].get(column, "")) for column in table.columns]
        line = [name, *values]
        if has_published:
            line += _published(table, name, results[name])
        sizes = [_sizes(part) for part in _parts_of_row(table, name, cells)]
        rows.append([*line, *(sizes[0] if len(sizes) == 1 else _sum(sizes))])
    commands = [
        (row, shlex.join(["stfw", "train", "-m", *overrides]))
        for row, overrides in _commands(table, cells).items()
    ]
    commands += _fusing_commands(table, cells)
    return Sheet(
        title=table.title,
        text=table.text,
        head=head,
        rows=rows,
        commands=commands,
        claims=_claims(table, cells),
        notes=_notes(table, cells),
    )


def write(sheet: Sheet, folder: Path) -> None:
    """Writes ``table.md``, ``.csv``, ``.tex`` and ``.html``, each whole."""
    from stfw.runs.directory import write_text

    writers = {"md": to_markdown, "csv": to_csv, "tex": to_latex, "html": to_html}
    for ending, write_as in writers.items():
        write_text(folder / f"table.{ending}", write_as(sheet))


def _results(table: Table, name: str, cells: Sequence[Cell], metric: str) -> dict[str, Summary]:
    """Column -> result of a row, of the columns that it has."""
    found = {}
    for column, value in table.columns_of(name).items():
        parts = _parts(table, name, column, value)
        values: dict[tuple, float | None] = {
            repeat: _value(metric, there, len(parts))
            for repeat, there in _by_repeat(parts, cells).items()
        }
        found[column] = summarise(values) if values else Summary(None, None, 0, 1)
    return found


def _parts(table: Table, name: str, column: str, value: Any) -> list[tuple[str, str]]:
    """(row, column) of the runs that make a cell; several are fused."""
    rows = table.rows[name].fuse or (name,)
    return [(row, col) for row in rows for col in fused_columns(value) or (column,)]


def _by_repeat(
    parts: Sequence[tuple[str, str]], cells: Sequence[Cell]
) -> dict[tuple[Any, ...], list[Cell]]:
    """Repeat -> its cells of these parts, in their order."""
    found: dict[tuple[Any, ...], list[Cell]] = {}
    for part in parts:
        for cell in cells:
            if (cell.row, cell.column) == part:
                found.setdefault(cell.repeat, []).append(cell)
    return found


def _value(metric: str, cells: Sequence[Cell], wanted: int) -> float | None:
    done = [cell.done for cell in cells if cell.done is not None]
    if len(done) < wanted:
        return None
    if wanted == 1:
        record = done[0].record
        known = {**(record.get("summary") or {}), **(record.get("metrics") or {})}
        return float(known[metric]) if metric in known else None
    from stfw.commands.fuse import fuse_runs

    try:
        result, _, _ = fuse_runs([str(run.path) for run in done], "arithmetic")
    except UserError:
        return None  # of runs whose predictions are gone
    return result["fusion"]["test_top1"]


def _published(table: Table, name: str, results: Mapping[str, Summary]) -> list[str]:
    row = table.rows[name]
    values, differences, states = [], [], []
    for column, result in results.items():
        published = row.published.get(column)
        if published is None:
            continue
        values.append(f"{published:.3f}")
        known = result.mean is not None
        differences.append(f"{result.mean - published:+.3f}" if known else "–")  # type: ignore[operator]
        states.append(against_published(result, published, table.tolerance) or "not run")
    told = (row.protocol or table.protocol, row.source or table.source)
    source = "; ".join(text for text in told if text)
    shown = " / ".join(values) + (f" ({source})" if source and values else "")
    return [shown, " / ".join(differences), " / ".join(states)]


def _parts_of_row(table: Table, name: str, cells: Sequence[Cell]) -> list[list[Cell]]:
    """The row's own cells, or those of each of the rows that it fuses."""
    return [[c for c in cells if c.row == row] for row in table.rows[name].fuse or (name,)]


def _sum(sizes: Sequence[Sequence[str]]) -> list[str]:
    """Sizes of rows fused: both are kept, computed and trained; how fast they run is not known."""
    if not all(parameters for parameters, *_ in sizes):
        return ["", "", "", ""]
    parameters = sum(int(size[0].replace(",", "")) for size in sizes)
    gmacs, hours = (sum(float(size[at] or "nan") for size in sizes) for at in (1, 3))
    known = [f"{gmacs:.4g}", "", f"{hours:.2f}"]
    return [f"{parameters:,}", *("" if text == "nan" else text for text in known)]


def _sizes(cells: Sequence[Cell]) -> list[str]:
    done = [cell.done for cell in cells if cell.done is not None]
    if not done:
        return ["", "", "", ""]
    plan = done[0].record.get("summary") or {}
    speeds = [(run.record.get("timings") or {}).get("clips_per_sec") for run in done]
    known = [speed for speed in speeds if speed]
    hours = [run.hours for run in done if run.hours is not None]
    return [
        f"{plan['num_parameters']:,}" if "num_parameters" in plan else "",
        f"{plan['gmacs_per_view']:.4g}" if "gmacs_per_view" in plan else "",
        f"{statistics.fmean(known):.4g}" if known else "",
        f"{statistics.fmean(hours):.2f}" if hours else "",
    ]


def _commands(table: Table, cells: Sequence[Cell]) -> dict[str, list[str]]:
    """Row -> the overrides of a multirun that makes its cells."""
    found: dict[str, list[str]] = {}
    for cell in cells:
        shown = cell.row if cell.column == "value" else f"{cell.row}, {cell.column}"
        keys = table.repeats_of(cell.row)
        repeats = [f"{key}={','.join(map(str, values))}" for key, values in keys.items()]
        same = cell.overrides[: len(cell.overrides) - len(repeats)]
        kept = [text for text in same if not text.endswith("=???")]  # given further on
        found.setdefault(shown, [*kept, *repeats])
    return found


def _fusing_commands(table: Table, cells: Sequence[Cell]) -> list[tuple[str, str]]:
    """Of every fused cell whose runs are there, one for each repeat."""
    found = []
    for name in table.rows:
        for column, value in table.columns_of(name).items():
            parts = _parts(table, name, column, value)
            for there in _by_repeat(parts, cells).values():
                runs = [str(cell.done.path) for cell in there if cell.done is not None]
                if len(runs) == len(parts) > 1:
                    shown = name if column == "value" else f"{name}, {column}"
                    found.append((shown, shlex.join(["stfw", "fuse", *runs])))
    return found


def _claims(table: Table, cells: Sequence[Cell]) -> list[list[str]]:
    column = next(iter(table.columns))
    rows = []
    for claim in table.claims:

        def result(name: str, metric: str = claim.metric or table.metric) -> Summary:
            return _results(table, name, cells, metric).get(column, Summary(None, None, 0, 1))

        if claim.needs or claim.better is None:
            verdict, figures = f"not run: needs {claim.needs or 'rows'}", ""
        elif claim.at_least is not None:
            better = result(claim.better)
            floor = Summary(claim.at_least, None, 1, 1)
            verdict, figures = compare(better, [floor], by=0.0)
            figures = f"{better}, claimed {claim.at_least:g}"
        else:
            than = [result(name) for name in claim.than]
            verdict, figures = compare(result(claim.better), than, claim.by, claim.lower)
            figures += f" ({claim.metric})" if claim.metric else ""
        rows.append([claim.text, claim.source, verdict, figures])
    return rows


def _notes(table: Table, cells: Sequence[Cell]) -> list[str]:
    notes = []
    over = [f"{key} ({len(values)})" for key, values in table.repeats.items() if len(values) > 1]
    means = f", of means over {' x '.join(over[1:])}" if over[1:] else ""
    spread = f"; mean ± standard deviation over {over[0]}{means}" if over else ""
    notes.append(f"{table.metric}{spread}")
    if stale := told_stale(cells):
        notes.append(stale)
    machines = {
        f"{run.record['machine'].get('processor')}, {run.record['machine'].get('cores')} cores"
        for cell in cells
        if (run := cell.done) is not None and "machine" in run.record
    }
    if machines:
        notes.append(f"run on {'; '.join(sorted(machines))}")
    return notes
