"""What a table's YAML says: its rows, how often each is run, and the claims about them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from stfw.types import UserError, nearest

T = TypeVar("T")


@dataclass(frozen=True)
class Row:
    """A row.

    Attributes:
        run: overrides of its runs, after the table's own.
        fuse: names of rows whose runs are fused late, instead of a run of its own.
        published: the published value, per column (``value`` where there is one column).
        source: where the published value stands.
        protocol: how it was measured.
        needs: what the row waits for, in words; null: it can be run.
        columns: instead of the table's; a column that is not among them stays empty.
        repeats: instead of the table's, of the same keys, as for a value of one split alone.
    """

    run: Sequence[str] = ()
    fuse: Sequence[str] = ()
    columns: Mapping[str, Any] | None = None
    repeats: Mapping[str, Sequence[Any]] | None = None
    published: Mapping[str, float] = field(default_factory=dict)
    source: str = ""
    protocol: str = ""
    needs: str | None = None


@dataclass(frozen=True)
class Claim:
    """A statement about rows: ``better`` has a higher value than each of ``than``.

    Attributes:
        text: the statement.
        source: who made it.
        better: name of a row.
        than: names of rows.
        by: difference that is claimed; null: more than the spread of either.
        at_least: value that ``better`` has to reach; no comparison then.
        metric: another one than the table's; also a figure of the plan, ``gmacs_per_view`` or
            ``num_parameters``.
        lower: the lower value is the better one.
        needs: what it waits for, in words.
    """

    text: str
    source: str = ""
    better: str | None = None
    than: Sequence[str] = ()
    by: float | None = None
    at_least: float | None = None
    metric: str | None = None
    lower: bool = False
    needs: str | None = None


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        name: of its YAML.
        title: a short line.
        text: what the reader has to know.
        metric: of ``run.json``, such as ``test/top1``.
        run: overrides of every row.
        repeats: override key -> values; every row runs once for each combination. The spread is
            over the first key with several values, of means over the others.
        columns: name -> overrides; every row runs once for each. ``{fuse: [names]}`` is no run
            but the late fusion of the row's runs in those columns.
        tolerance: difference from the published value that still counts as reproduced.
        source: where the published values stand, of rows that do not say.
        protocol: how they were measured, of rows that do not say.
        hours: what a run takes, to go by until one has been made; null: nobody knows.
        rows: by name.
        claims: about the rows.
    """

    name: str
    title: str
    text: str
    metric: str
    run: Sequence[str]
    repeats: Mapping[str, Sequence[Any]]
    columns: Mapping[str, Any]
    tolerance: float
    source: str
    protocol: str
    hours: float | None
    rows: Mapping[str, Row]
    claims: Sequence[Claim]

    def columns_of(self, row: str) -> Mapping[str, Any]:
        """The columns that a row has, of its own or the table's."""
        return self._own(row, "columns", self.columns)

    def repeats_of(self, row: str) -> Mapping[str, Sequence[Any]]:
        """How often a row is run."""
        return self._own(row, "repeats", self.repeats)

    def _own(self, row: str, key: str, general: Mapping[str, Any]) -> Mapping[str, Any]:
        """A fused row has what the first of its rows has."""
        fused = self.rows[row].fuse
        own = getattr(self.rows[fused[0] if fused else row], key)
        return general if own is None else own


def fused_columns(column: Any) -> Sequence[str]:
    """The columns that one is the fusion of; none where it is runs of its own."""
    return tuple(column["fuse"]) if isinstance(column, Mapping) else ()


def read_table(name: str, given: Mapping[str, Any]) -> Table:
    """A table from plain containers.

    Raises:
        UserError: an unknown or missing key, or a row that is named but not there.
    """
    where = f"table={name}"
    known = {f.name for f in dataclasses.fields(Table)} - {"name"}
    _check_keys(given, known, where)
    if not given.get("rows"):
        raise UserError(f"{where}: it has no rows")
    rows = {
        str(row): _make(Row, values or {}, f"{where}: rows.{row}")
        for row, values in given["rows"].items()
    }
    claims = [
        _make(Claim, values, f"{where}: claims[{nth}]")
        for nth, values in enumerate(given.get("claims") or ())
    ]
    table = Table(
        name=name,
        title=str(given.get("title") or name),
        text=" ".join(str(given.get("text") or "").split()),
        metric=str(given.get("metric") or "test/top1"),
        run=tuple(given.get("run") or ()),
        repeats=dict(given.get("repeats") or {"seed": [0]}),
        columns=dict(given.get("columns") or {"value": []}),
        tolerance=_positive(given, "tolerance", where) or 0.01,
        source=str(given.get("source") or ""),
        protocol=str(given.get("protocol") or ""),
        hours=_positive(given, "hours", where),
        rows=rows,
        claims=claims,
    )
    _check_names(table, where)
    return table


def _check_names(table: Table, where: str) -> None:
    for name, row in table.rows.items():
        for part in row.fuse:
            if part not in table.rows or table.rows[part].fuse:
                raise UserError(
                    f"{where}: rows.{name}.fuse names '{part}', which is no row with runs"
                    f"{nearest(part, table.rows)}"
                )
        _check_own(table, name, where)
        if not isinstance(row.published, Mapping):
            raise UserError(
                f"{where}: rows.{name}.published={row.published} must name the column: "
                f"{{{next(iter(table.columns))}: {row.published}}}"
            )
        for column in row.published:
            if column not in table.columns:
                raise UserError(
                    f"{where}: rows.{name}.published names the column '{column}'"
                    f"{nearest(column, table.columns)} (there are: {', '.join(table.columns)})"
                )
    for claim in table.claims:
        for name in (*([claim.better] if claim.better else []), *claim.than):
            if name not in table.rows:
                raise UserError(
                    f"{where}: the claim '{claim.text}' names the row '{name}', which is not there"
                    f"{nearest(name, table.rows)}"
                )
    _check_repeats(table.repeats, where)


def _check_own(table: Table, name: str, where: str) -> None:
    """A row's columns are the table's, and its repeats have the table's keys."""
    row, where = table.rows[name], f"{where}: rows.{name}"
    if row.repeats is not None:
        if list(row.repeats) != list(table.repeats):
            raise UserError(f"{where}.repeats must have the keys {', '.join(table.repeats)}")
        _check_repeats(row.repeats, where)
    columns = table.columns_of(name)
    for column, value in columns.items():
        if column not in table.columns:
            raise UserError(
                f"{where}.columns names '{column}'{nearest(column, table.columns)} "
                f"(there are: {', '.join(table.columns)})"
            )
        if isinstance(value, Mapping) and list(value) != ["fuse"]:
            raise UserError(f"{where}: the column '{column}' is neither a list nor {{fuse: [...]}}")
        for part in fused_columns(value):
            if part not in columns or fused_columns(columns[part]):
                raise UserError(
                    f"{where}: the column '{column}' fuses '{part}', which is no column with runs"
                    f"{nearest(part, columns)}"
                )


def _check_repeats(repeats: Mapping[str, Any], where: str) -> None:
    for key, values in repeats.items():
        if not isinstance(values, Sequence) or isinstance(values, str) or not values:
            raise UserError(f"{where}: repeats.{key} must list at least one value")


def _positive(given: Mapping[str, Any], key: str, where: str) -> float | None:
    value = given.get(key)
    if value is not None and (
        isinstance(value, bool) or not isinstance(value, int | float) or value <= 0
    ):
        raise UserError(f"{where}.{key}={value}: it must be a number above 0")
    return value


def _make(kind: type[T], values: Any, where: str) -> T:
    if not isinstance(values, Mapping):
        raise UserError(f"{where}: {values!r} is no mapping")
    _check_keys(values, {f.name for f in dataclasses.fields(kind)}, where)  # type: ignore[arg-type]
    try:
        return kind(**values)
    except TypeError as error:
        raise UserError(f"{where}: {error}") from error


def _check_keys(values: Mapping[str, Any], known: set[str], where: str) -> None:
    for key in values:
        if key not in known:
            raise UserError(
                f"{where}.{key}: no such key{nearest(str(key), known)} "
                f"(there are: {', '.join(sorted(known))})"
            )
