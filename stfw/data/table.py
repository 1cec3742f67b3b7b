"""Videos listed in a csv or jsonl file: path, label[, start_sec, end_sec, group, split]."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from stfw.data.splits import SPLIT_NAMES, complete_splits, existing_folder, logger
from stfw.types import Record, Split, UserError, nearest

COLUMNS = ("path", "label", "start_sec", "end_sec", "group", "split")
Row = tuple[str, dict[str, str]]  # "table.csv:3" and the row's values; absent ones are ""


class Table:
    """Videos, or labelled parts of videos, one per row.

    Columns: ``path`` and ``label``; optionally ``start_sec`` and ``end_sec`` (the labelled part),
    ``group`` (never on two sides of a split; without one, the parts of a file stay together) and
    ``split`` (train, val, test). Other columns are ignored.

    A label is a class name; where all labels are integers they are indices into ``classes``, or,
    without ``classes``, names in numeric order. Without a column ``split`` the rows are cut into
    three, stratified by label; a table with training and test rows gets its validation split from
    the training rows, and one with training and validation rows is tested on the latter.

    Args:
        path: the table: .csv (with a header) or .jsonl, UTF-8.
        root: relative paths start here; None: at the table's folder.
        classes: the class names in their order; None: those of the labels, sorted.
        val_fraction: of the training rows, where the table names no validation rows.
        test_fraction: of the rows, where the table names neither validation nor test rows.
        split_seed: of the cut.

    Raises:
        UserError: a mistake in the table, with file and line.
    """

    def __init__(
        self,
        path: str,
        root: str | None = None,
        classes: Sequence[str] | None = None,
        val_fraction: float = 0.15,
        test_fraction: float = 0.15,
        split_seed: int = 0,
    ) -> None:
        rows = read_rows(path, "data.path", required=("path", "label"), optional=COLUMNS[2:])
        table = Path(os.path.abspath(os.path.expanduser(path)))
        self.root = table.parent if root is None else existing_folder(root, "data.root")
        self._classes, labels = _read_labels(rows, classes)
        records = [_record(row, label, self.root) for row, label in zip(rows, labels, strict=True)]
        _check_unique(rows, records)
        _check_files(path, records)
        given: dict[Split, list[Record]] = {}
        for split, record in zip(_read_splits(rows), records, strict=True):
            given.setdefault(split, []).append(record)
        if "train" not in given:
            raise UserError(f"{path}: column 'split' names no row train; name some of them so")
        self._splits = complete_splits(given, val_fraction, test_fraction, split_seed)

    @property
    def classes(self) -> list[str]:
        return list(self._classes)

    def records(self, split: Split) -> list[Record]:
        """The videos of a split, sorted by ``video_id``: relative path[#start_sec-end_sec]."""
        return list(self._splits[split])

    @classmethod
    def write_toy(cls, root: Path) -> Table:
        """Four tiny videos and the table that lists them, below ``root``."""
        from stfw.data.toy_render import draw_scene, render
        from stfw.video.writer import write_video

        (root / "videos").mkdir(parents=True, exist_ok=True)
        lines = ["path,label,start_sec,end_sec,group,split"]
        rows = (("up", "train"), ("down", "train"), ("up", "val"), ("down", "test"))
        for number, (label, split) in enumerate(rows):
            scene = draw_scene(label, "red", 16, 32, np.random.default_rng(number))
            write_video(root / f"videos/{number}.mp4", render(scene), fps=8)
            lines.append(f"videos/{number}.mp4,{label},0.5,1.5,scene{number},{split}")
        (root / "videos.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        return cls(str(root / "videos.csv"))


def read_rows(
    path: str, key: str, required: Sequence[str], optional: Sequence[str] = ()
) -> list[Row]:
    """Reads a csv with a header, or a jsonl with an object per line.

    Args:
        path: the file, .csv or .jsonl, UTF-8.
        key: the option that names it, for messages.
        required: columns that every row must fill.
        optional: columns that may be absent or empty.

    Returns:
        (``file:line``, column -> text) per row, with all required and optional columns.

    Raises:
        UserError: no such file, not readable, a column missing or empty.
    """
    file = Path(os.path.expanduser(path))
    if not file.is_file():
        near = nearest(file.name, os.listdir(file.parent)) if file.parent.is_dir() else ""
        raise UserError(f"{key}={path}: there is no such file{near or '; give a .csv or .jsonl'}")
    if file.suffix.lower() not in (".csv", ".jsonl"):
        raise UserError(f"{key}={path}: '{file.suffix}' is not known; give a .csv or .jsonl")
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{key}={path} cannot be read as UTF-8 text: {error}") from error
    rows = (_csv_rows if file.suffix.lower() == ".csv" else _jsonl_rows)(path, text)
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


def _jsonl_rows(name: str, text: str) -> list[Row]:
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
        for column, value in values.items():
            if column in COLUMNS and isinstance(value, list | dict):
                raise UserError(f"{name}:{number}: {column}={value} is not one value; give one")
        texts = {c: "" if value is None else str(value) for c, value in values.items()}
        rows.append((f"{name}:{number}", texts))
    if not rows:
        raise UserError(f"{name} has no rows; write one object per line")
    return rows


def _read_labels(rows: list[Row], classes: Sequence[str] | None) -> tuple[list[str], list[int]]:
    """The class names, and each row's index into them."""
    labels = [values["label"] for _, values in rows]
    integers = all(re.fullmatch(r"-?[0-9]+", label) for label in labels)
    if classes is None:
        names = sorted(set(labels))
        if integers:
            names = [str(number) for number in sorted(set(map(int, labels)))]
            labels = [str(int(label)) for label in labels]  # 07 is 7
    else:
        names = [str(name) for name in classes]
        if len(set(names)) != len(names):
            raise UserError(f"data.classes={names} names a class twice; name each once")
        if integers and not set(labels) <= set(names):
            for (where, _), label in zip(rows, labels, strict=True):
                if not 0 <= int(label) < len(names):
                    raise UserError(
                        f"{where}: label {label} is no index into the {len(names)} data.classes; "
                        f"give 0 to {len(names) - 1}"
                    )
            labels = [names[int(label)] for label in labels]
    if len(names) < 2:
        raise UserError(f"there is one class only, '{''.join(names)}'; give videos of two or more")
    index_of = {name: index for index, name in enumerate(names)}
    for (where, _), label in zip(rows, labels, strict=True):
        if label not in index_of:
            hint = nearest(label, names) or "; add it there or mend the row"
            raise UserError(f"{where}: label '{label}' is not among data.classes{hint}")
    return names, [index_of[label] for label in labels]


def _read_splits(rows: list[Row]) -> list[Split]:
    """Each row's split; ``train`` for all where the table names none."""
    if not any(values["split"] for _, values in rows):
        return ["train"] * len(rows)
    splits: list[Split] = []
    for where, values in rows:
        name = values["split"]
        if name.lower() not in SPLIT_NAMES:
            hint = nearest(name.lower(), SPLIT_NAMES) or "; write train, val or test"
            raise UserError(f"{where}: split '{name}' is not known{hint}")
        splits.append(SPLIT_NAMES[name.lower()])
    return splits


def _record(row: Row, label: int, root: Path) -> Record:
    where, values = row
    path = Path(os.path.abspath(root / os.path.expanduser(values["path"])))
    video_id = (path.relative_to(root) if path.is_relative_to(root) else path).as_posix()
    start_sec, end_sec = (_seconds(where, name, values[name]) for name in ("start_sec", "end_sec"))
    if end_sec is not None and (start_sec or 0.0) >= end_sec:
        raise UserError(
            f"{where}: start_sec={start_sec or 0.0} is not before end_sec={end_sec}; mend the row"
        )
    if start_sec is not None or end_sec is not None:
        video_id += f"#{start_sec or 0.0}-{'' if end_sec is None else end_sec}"
    return Record(video_id, str(path), label, start_sec, end_sec, values["group"] or None)


def _seconds(where: str, name: str, text: str) -> float | None:
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise UserError(f"{where}: {name}={text} is no number of seconds, 0 or more; mend the row")
    return value


def _check_unique(rows: list[Row], records: list[Record]) -> None:
    first: dict[str, str] = {}
    for (where, _), record in zip(rows, records, strict=True):
        if first.setdefault(record.video_id, where) != where:
            raise UserError(
                f"{where}: {record.video_id} already stands at {first[record.video_id]}; "
                "remove one of the rows"
            )


def _check_files(table: str, records: list[Record]) -> None:
    paths = list(dict.fromkeys(record.path for record in records))
    missing = [path for path in paths if not os.path.isfile(path)]
    if missing:
        raise UserError(
            f"{table}: {len(missing)} of {len(paths)} videos are not there: "
            f"{', '.join(missing[:3])}{', ...' if len(missing) > 3 else ''}; "
            "give data.root=<folder that the paths start at>"
        )
