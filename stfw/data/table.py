"""Videos listed in a csv, jsonl or parquet file: path, label[, start_sec, end_sec, ...]."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from stfw.data.files import existing_folder
from stfw.data.listed import existing
from stfw.data.splits import SPLIT_NAMES, complete_splits
from stfw.data.table_rows import COLUMNS, Row, read_rows
from stfw.types import Record, Split, UserError, nearest


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
        path: the table: .csv (with a header), .jsonl or .parquet.
        root: relative paths start here; None: at the table's folder.
        classes: the class names in their order; None: those of the labels, sorted.
        val_fraction: of the training rows, where the table names no validation rows.
        test_fraction: of the rows, where the table names neither validation nor test rows.
        split_seed: of the cut.
        folds: of a cross-validation: one tests, the others train and validate; None: no such cut.
        fold: the one that tests, 0..folds-1.
        multi_label: a video may have several classes, ``a|b|c`` (in jsonl and parquet: a list).

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
        folds: int | None = None,
        fold: int = 0,
        multi_label: bool = False,
    ) -> None:
        lists = ("label",) if multi_label else ()
        rows = read_rows(
            path, "data.path", required=("path", "label"), optional=COLUMNS[2:], lists=lists
        )
        table = Path(os.path.abspath(os.path.expanduser(path)))
        self.root = table.parent if root is None else existing_folder(root, "data.root")
        self._classes, labels = _read_labels(rows, classes, multi_label)
        records = [_record(row, label, self.root) for row, label in zip(rows, labels, strict=True)]
        _check_unique(rows, records)
        _check_files(path, records)
        given: dict[Split, list[Record]] = {}
        for split, record in zip(_read_splits(rows), records, strict=True):
            given.setdefault(split, []).append(record)
        if "train" not in given:
            raise UserError(f"{path}: column 'split' names no row train; name some of them so")
        self._splits = complete_splits(given, val_fraction, test_fraction, split_seed, folds, fold)

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


def _read_labels(
    rows: list[Row], classes: Sequence[str] | None, multi_label: bool
) -> tuple[list[str], list[int | tuple[int, ...]]]:
    """The class names, and each row's index, or indices, into them."""
    labels = [
        [part.strip() for part in values["label"].split("|")] if multi_label else [values["label"]]
        for _, values in rows
    ]
    for (where, values), given in zip(rows, labels, strict=True):
        if not all(given):
            raise UserError(f"{where}: label '{values['label']}' has an empty class; write a|b|c")
    distinct = {label for given in labels for label in given}
    integers = all(re.fullmatch(r"-?[0-9]+", label) for label in distinct)
    if classes is None:
        names = sorted(distinct)
        if integers:
            names = [str(number) for number in sorted(set(map(int, distinct)))]
            labels = [[str(int(label)) for label in given] for given in labels]  # 07 is 7
    else:
        names = [str(name) for name in classes]
        if len(set(names)) != len(names):
            raise UserError(f"data.classes={names} names a class twice; name each once")
        if integers and not distinct <= set(names):
            for (where, _), given in zip(rows, labels, strict=True):
                for label in given:
                    if not 0 <= int(label) < len(names):
                        raise UserError(
                            f"{where}: label {label} is no index into the {len(names)} "
                            f"data.classes; give 0 to {len(names) - 1}"
                        )
            labels = [[names[int(label)] for label in given] for given in labels]
    if len(names) < 2:
        raise UserError(f"there is one class only, '{''.join(names)}'; give videos of two or more")
    index_of = {name: index for index, name in enumerate(names)}
    for (where, _), given in zip(rows, labels, strict=True):
        for label in given:
            if label not in index_of:
                hint = nearest(label, names) or "; add it there or mend the row"
                raise UserError(f"{where}: label '{label}' is not among data.classes{hint}")
    if multi_label:
        return names, [tuple(sorted({index_of[label] for label in given})) for given in labels]
    return names, [index_of[given[0]] for given in labels]


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


def _record(row: Row, label: int | tuple[int, ...], root: Path) -> Record:
    where, values = row
    # strings: Path costs seconds over some hundred thousand rows
    path = os.path.abspath(os.path.join(root, os.path.expanduser(values["path"])))
    video_id = path.removeprefix(os.path.join(root, "")).replace(os.sep, "/")
    start_sec, end_sec = (_seconds(where, name, values[name]) for name in ("start_sec", "end_sec"))
    if end_sec is not None and (start_sec or 0.0) >= end_sec:
        raise UserError(
            f"{where}: start_sec={start_sec or 0.0} is not before end_sec={end_sec}; mend the row"
        )
    if start_sec is not None or end_sec is not None:
        video_id += f"#{start_sec or 0.0}-{'' if end_sec is None else end_sec}"
    return Record(video_id, path, label, start_sec, end_sec, values["group"] or None)


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
    paths = dict.fromkeys(record.path for record in records)
    present = existing(set(paths))
    missing = [path for path in paths if path not in present]
    if missing:
        raise UserError(
            f"{table}: {len(missing)} of {len(paths)} videos are not there: "
            f"{', '.join(missing[:3])}{', ...' if len(missing) > 3 else ''}; "
            "give data.root=<folder that the paths start at>"
        )
