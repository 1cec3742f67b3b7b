"""The runs that a table is made of, and which of them are done."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from omegaconf import DictConfig, OmegaConf

from stfw.check import needed_weights
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
        done: the finished run, if there is one.
        is_stale: whether that was run by other code.
        problem: why the last try failed.
    """

    row: str
    column: str
    repeat: Repeat
    overrides: list[str]
    key: str
    done: Finished | None = None
    is_stale: bool = False
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
        UserError: a row's overrides do not compose.
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
            digest = fingerprint.of_config(to_plain(cfg))
            cells.append(Cell(name, column, repeat, [*overrides, *texts], digest))
    return cells


def find_done(cells: Sequence[Cell], runs: Registry, metric: str) -> None:
    """Marks the cells whose run is there, with the metric."""
    code = fingerprint.of_code()
    for cell in cells:
        run = runs.find(cell.key, cell.overrides)
        if run is not None and metric in (run.record.get("metrics") or {}):
            cell.done = run
            same_config = run.record.get("config_fingerprint") == cell.key
            cell.is_stale = not same_config or run.record.get("code_fingerprint") != code
            cell.problem = None


def _text(value: Any) -> str:
    """A value as Hydra reads it back."""
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)
