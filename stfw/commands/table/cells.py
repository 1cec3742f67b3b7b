"""The runs that a table is made of, and which of them are done."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

from omegaconf import DictConfig, OmegaConf

from stfw.check import needed_weights
from stfw.commands.done import changed
from stfw.commands.table.spec import Table, fused_columns
from stfw.config import compose, to_plain
from stfw.runs import fingerprint
from stfw.runs.registry import Finished, Registry
from stfw.types import UserError

Repeat = tuple[Any, ...]  # one value per key of the table's repeats


@dataclass
class Cell:
    """One run of a table.

    Attributes:
        row: name of its row.
        column: name of its column.
        repeat: values of the table's repeats.
        overrides: of the run.
        key: fingerprint of its configuration.
        data: the reader's part of it, as JSON.
        done: the finished run, if there is one.
        stale: what has changed since that was run: ``code``, ``configs``, ``data``.
        problem: why the last try failed.
    """

    row: str
    column: str
    repeat: Repeat
    overrides: list[str]
    key: str
    data: str
    done: Finished | None = None
    stale: tuple[str, ...] = ()
    problem: str | None = field(default=None)

    @property
    def name(self) -> str:
        """Of the run's folder and log: words that need no quoting."""
        words = [self.row, *([] if self.column == "value" else [self.column]), *self.repeat]
        return "-".join("".join(c if c.isalnum() else "_" for c in str(w)) for w in words)


def make_cells(
    table: Table, extra: Sequence[str], verify: Callable[[DictConfig], None] | None = None
) -> tuple[list[Cell], dict[str, str]]:
    """Every run of the table; and, for rows that cannot be run, what they need.

    Args:
        table: what is wanted.
        extra: overrides of every run.
        verify: called with every row's composed config; raises UserError.

    Raises:
        UserError: a row's overrides do not compose, or two runs have one folder.
    """
    cells: list[Cell] = []
    needs: dict[str, str] = {}
    for name, row in table.rows.items():
        if row.needs:
            needs[name] = row.needs
        elif not row.fuse:
            try:
                cells += _cells_of(table, name, extra, verify)
            except MissingValueError as missing:
                needs[name] = str(missing)
    shared, count = max(
        Counter(cell.name for cell in cells).items(), key=itemgetter(1), default=("", 0)
    )
    if count > 1:
        rows = " and ".join(dict.fromkeys(repr(c.row) for c in cells if c.name == shared))
        raise UserError(
            f"table={table.name}: {count} runs of {rows} would share the folder {shared!r}, where "
            "letters and digits alone tell names apart; rename a row or a column"
        )
    return cells, needs


class MissingValueError(Exception):
    """A value that only the person has, such as a data set's folder."""


def _cells_of(
    table: Table,
    name: str,
    extra: Sequence[str],
    verify: Callable[[DictConfig], None] | None,
) -> list[Cell]:
    cells = []
    repeats = table.repeats_of(name)
    for column, more in table.columns_of(name).items():
        if fused_columns(more):
            continue
        overrides = [*table.run, *table.rows[name].run, *more, *extra]
        try:
            cfg = compose("train", overrides).cfg
            if missing := [f"{key}=..." for key in sorted(OmegaConf.missing_keys(cfg))]:
                raise MissingValueError(", ".join(missing))
            if what := needed_weights(cfg):
                raise MissingValueError(f"weights=<{what}>")
            if verify is not None:
                verify(cfg)
        except UserError as error:
            raise UserError(f"table={table.name}: rows.{name}: {error}") from error
        for repeat in itertools.product(*repeats.values()):
            for key, value in zip(repeats, repeat, strict=True):
                if OmegaConf.select(cfg, key, default=cfg) is cfg:
                    raise UserError(f"table={table.name}: repeats.{key}: no such key of a run")
                OmegaConf.update(cfg, key, value)
            texts = [f"{k}={_text(v)}" for k, v in zip(repeats, repeat, strict=True)]
            plain = to_plain(cfg)
            digest, data = fingerprint.of_config(plain), json.dumps(plain["data"])
            cells.append(Cell(name, column, repeat, [*overrides, *texts], digest, data))
    return cells


def find_done(cells: Sequence[Cell], runs: Registry, metric: str, with_data: bool = True) -> None:
    """Marks the cells whose run is there, with the metric, and what has changed since.

    Args:
        cells: of a table.
        runs: where they are looked for.
        metric: that a run must have.
        with_data: whether the data are looked at too, which takes a while.
    """
    for cell in cells:
        run = runs.find(cell.key, cell.overrides)
        if run is None or metric not in (run.record.get("metrics") or {}):
            continue
        cell.done, cell.problem = run, None
        cell.stale = changed(run, cell.key, cell.data if with_data else None)


def told_stale(cells: Sequence[Cell]) -> str:
    """``3 of 8 results are of other code (3), data (1)``; empty: none is."""
    counts = Counter(name for cell in cells for name in cell.stale)
    stale = sum(bool(cell.stale) for cell in cells)
    kinds = ", ".join(f"{name} ({count})" for name, count in counts.items())
    return f"{stale} of {len(cells)} results are of other {kinds}" if stale else ""


def _text(value: Any) -> str:
    """A value as Hydra reads it back."""
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)
