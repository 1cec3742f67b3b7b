"""A csv or jsonl with a row per labelled video or part of one."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from stfw.data.splits import SPLITS, Divided, check_no_group_leak, split_records
from stfw.types import Record, Split, UserError, nearest

COLUMNS = ("path", "label", "start_sec", "end_sec", "group", "split")
_SPLIT_NAMES: dict[str, Split] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}


class Table:
    """Columns ``path, label[, start_sec, end_sec, group, split]``; others are left alone.

    Args:
        path: the ``.csv`` or ``.jsonl`` file.
        root: relative paths in it start here; None: the table's own folder.
        classes: the class names in their order; None: sorted names, or 0..K-1 where all labels are
            whole numbers.
        val_fraction: share to validate on, where there is no column ``split``.
        test_fraction: share to test on, where there is no column ``split``.
        split_seed: another seed divides otherwise.

    Raises:
        UserError: with the file and the line: missing columns, files or labels, seconds that are
            none, a row twice, a group on two sides.
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
        self.path = Path(path).expanduser()
        if not self.path.is_file():
            parent = self.path.parent
            names = [p.name for p in parent.iterdir()] if parent.is_dir() else []
            raise UserError(
                f"data.path={path}: there is no such file{nearest(self.path.name, names)}"
            )
        self.root = Path(root).expanduser() if root is not None else self.path.parent
        self.given_classes = list(classes) if classes is not None else None
        self.fractions, self.split_seed = (val_fraction, test_fraction), split_seed

    @cached_property
    def classes(self) -> list[str]:
        """Class names; a label is an index into them."""
        if self.given_classes is not None:
            return self.given_classes
        labels = {row["label"] for _, row in self._rows}
        if all(label.isdecimal() for label in labels):
            return [str(number) for number in range(max(map(int, labels)) + 1)]
        return sorted(labels)

    def records(self, split: Split) -> list[Record]:
        return self._divided[split]

    @classmethod
    def write_toy(cls, root: Path) -> Table:
        """Four videos, each of them cut into parts for training, validation and test."""
        import numpy as np

        from stfw.video.writer import write_video

        root.mkdir(parents=True, exist_ok=True)
        lines = ["path,label,start_sec,end_sec,group,split"]
        for number in range(4):
            frames_THWC = np.full((12, 32, 32, 3), 60 * number, np.uint8)
            write_video(root / f"{number}.mp4", frames_THWC, 12)
            split = ("train", "train", "val", "test")[number]
            name = "even" if number % 2 == 0 else "odd"
            lines.append(f"{number}.mp4,{name},0,0.5,{number},{split}")
            lines.append(f"{number}.mp4,{name},0.5,1.0,{number},{split}")
        (root / "table.csv").write_text("\n".join(lines) + "\n")
        return cls(str(root / "table.csv"))

    @cached_property
    def _rows(self) -> list[tuple[str, dict[str, str]]]:
        """(file:line, row) with every value as text; absent ones as ''."""
        with self.path.open(newline="", encoding="utf-8-sig") as file:
            if self.path.suffix.lower() in (".jsonl", ".ndjson"):
                rows = [
                    (f"{self.path}:{n}", self._json(n, x))
                    for n, x in enumerate(file, 1)
                    if x.strip()
                ]
            else:
                reader = csv.DictReader(file)
                rows = [(f"{self.path}:{reader.line_num}", dict(row)) for row in reader]
        if not rows:
            raise UserError(f"{self.path}: the table has no rows")
        for name in ("path", "label"):
            for where, row in rows:
                if name not in row:
                    raise UserError(f"{where}: there is no '{name}'{nearest(name, map(str, row))}")
                if row[name] in (None, ""):
                    raise UserError(f"{where}: '{name}' is empty")
        return [
            (where, {k: "" if v is None else str(v) for k, v in row.items()}) for where, row in rows
        ]

    def _json(self, number: int, line: str) -> dict[str, Any]:
        try:
            row = json.loads(line)
        except ValueError as error:
            raise UserError(f"{self.path}:{number}: not JSON ({error})") from error
        if not isinstance(row, dict):
            raise UserError(f"{self.path}:{number}: not an object with 'path' and 'label'")
        return row

    @cached_property
    def _divided(self) -> Divided:
        labels = {name: label for label, name in enumerate(self.classes)}
        records: dict[str, Record] = {}
        splits: dict[str, Split] = {}
        absent = []
        for where, row in self._rows:
            if row["label"] not in labels:
                raise UserError(
                    f"{where}: label '{row['label']}' is not among the classes"
                    f"{nearest(row['label'], labels)}"
                )
            start_sec, end_sec = _seconds(where, row, "start_sec"), _seconds(where, row, "end_sec")
            if start_sec is not None and end_sec is not None and end_sec <= start_sec:
                raise UserError(
                    f"{where}: end_sec {end_sec:g} is not after start_sec {start_sec:g}"
                )
            video = self.root / row["path"]
            if not video.is_file():
                absent.append(row["path"])
            part = "" if start_sec is None and end_sec is None else f"#{start_sec}-{end_sec}"
            video_id = row["path"] + part
            if video_id in records:
                raise UserError(f"{where}: {video_id} stands in the table twice")
            records[video_id] = Record(
                video_id,
                str(video.absolute()),
                labels[row["label"]],
                start_sec,
                end_sec,
                row.get("group") or None,
            )
            if "split" in row:
                name = row["split"].strip().lower()
                if name not in _SPLIT_NAMES:
                    raise UserError(f"{where}: split '{row['split']}' is none of train, val, test")
                splits[video_id] = _SPLIT_NAMES[name]
        if absent:
            raise UserError(
                f"{self.path}: {len(absent)} files are not there (first: "
                f"{', '.join(absent[:3])}); relative paths start at {self.root} (data.root=...)"
            )
        if not splits:
            return split_records(list(records.values()), *self.fractions, self.split_seed)
        divided: Divided = {
            split: [record for name, record in records.items() if splits.get(name) == split]
            for split in SPLITS
        }
        check_no_group_leak(divided)
        return divided


def _seconds(where: str, row: dict[str, str], name: str) -> float | None:
    text = row.get(name, "")
    if not text:
        return None
    try:
        value = float(text)
    except ValueError as error:
        raise UserError(f"{where}: {name} '{text}' is no number of seconds") from error
    if not 0 <= value < float("inf"):
        raise UserError(f"{where}: {name} {text} is not a moment of a video")
    return value
