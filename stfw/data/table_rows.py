"""Reading a table, whatever its format: csv, jsonl or parquet."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stfw.data.files import logger
from stfw.types import UserError, nearest

COLUMNS = ("path", "label", "start_sec", "end_sec", "group", "split")
SUFFIXES = (".csv", ".jsonl", ".parquet")
Row = tuple[str, dict[str, str]]  # "table.csv:3" and the row's values; absent ones are ""


def read_rows(
    path: str,
    key: str,
    required: Sequence[str],
    optional: Sequence[str] = (),
    lists: Sequence[str] = (),
) -> list[Row]:
    """Reads a csv with a header, a jsonl with an object per line, or a parquet file.

    Args:
        path: the file, .csv or .jsonl (UTF-8) or .parquet.
        key: the option that names it, for messages.
        required: columns that every row must fill.
        optional: columns that may be absent or empty.
        lists: columns that may hold lists, where the format has such; joined by ``|``.

    Returns:
        (``file:line``, column -> text) per row, with all required and optional columns.

    Raises:
        UserError: no such file, not readable, a column missing or empty.
    """
    file = Path(os.path.expanduser(path))
    if not file.is_file():
        near = nearest(file.name, os.listdir(file.parent)) if file.parent.is_dir() else ""
        hint = near or f"; give one of {', '.join(SUFFIXES)}"
        raise UserError(f"{key}={path}: there is no such file{hint}")
    suffix = file.suffix.lower()
    if suffix not in SUFFIXES:
        raise UserError(
            f"{key}={path}: '{file.suffix}' is not known; give one of {', '.join(SUFFIXES)}"
        )
    if suffix == ".parquet":
        rows = _parquet_rows(path, file, lists)
    else:
        try:
            text = file.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"{key}={path} cannot be read as UTF-8 text: {error}") from error
        rows = _csv_rows(path, text) if suffix == ".csv" else _jsonl_rows(path, text, lists)
    columns = dict.fromkeys(column for _, values in rows for column in values)
    for column in required:
        if column not in columns:
            near = nearest(column, columns) or "; its first line must name the columns"
            raise UserError(
                f"{path}: there is no column '{column}' among {', '.join(columns)}{near}"
            )
    for column in columns:
        near = nearest(column, [name for name in optional if name not in columns])
        if near and column not in (*required, *optional):
            logger.warning("%s: the column '%s' is ignored%s", path, column, near)
    for where, values in rows:
        for column in (*required, *optional):
            values.setdefault(column, "")
            if column != "path":
                values[column] = values[column].strip()
        for column in required:
            if not values[column]:
                raise UserError(f"{where}: '{column}' is empty; fill it in or remove the row")
    return rows


def _csv_rows(name: str, text: str) -> list[Row]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    rows: list[Row] = []
    try:
        header = [column.strip() for column in reader.fieldnames or []]
        if len(set(header)) != len(header):
            raise UserError(f"{name}:1: a column stands twice in the header; rename one")
        reader.fieldnames = header
        for values in reader:
            where = f"{name}:{reader.line_num}"
            if None in values:
                raise UserError(f"{where}: more fields than columns; quote fields with a comma")
            rows.append((where, {column: value or "" for column, value in values.items()}))
    except csv.Error as error:
        raise UserError(f"{name}:{reader.reader.line_num}: {error}; mend the line") from error
    if not rows:
        raise UserError(
            f"{name} has no rows; its first line names the columns, the rest are videos"
        )
    return rows


def _jsonl_rows(name: str, text: str, lists: Sequence[str]) -> list[Row]:
    rows: list[Row] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except ValueError as error:
            raise UserError(f"{name}:{number}: not JSON: {error}; mend the line") from error
        if not isinstance(values, dict):
            raise UserError(f'{name}:{number}: not an object; write {{"path": ..., "label": ...}}')
        rows.append(_as_texts(f"{name}:{number}", values, lists))
    if not rows:
        raise UserError(f"{name} has no rows; write one object per line")
    return rows


def _parquet_rows(name: str, file: Path, lists: Sequence[str]) -> list[Row]:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise UserError(f'{name}: parquet needs pyarrow: pip install "stfw[parquet]"') from error
    try:
        values = parquet.read_table(file).to_pylist()
    except (ArrowException, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{name} cannot be read as parquet: {reason}") from error
    if not values:
        raise UserError(f"{name} has no rows")
    return [_as_texts(f"{name}:{number}", row, lists) for number, row in enumerate(values, start=1)]


def _as_texts(where: str, values: dict[str, Any], lists: Sequence[str]) -> Row:
    """Values as texts; what may be a list is joined by ``|``."""
    texts = {}
    for column, value in values.items():
        if column in lists and isinstance(value, list):
            if any("|" in str(item) for item in value):
                raise UserError(f"{where}: {column}={value} has a | in a name; it parts names")
            value = "|".join(map(str, value))
        elif column in COLUMNS and isinstance(value, list | dict):
            raise UserError(f"{where}: {column}={value} is not one value; give one")
        texts[column] = "" if value is None else str(value)
    return where, texts
