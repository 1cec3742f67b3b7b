"""Reads a run directory; what is absent or damaged is a sentence, never a failure."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from stfw.redact import redact, redact_text


@dataclass(frozen=True)
class Predictions:
    """The test predictions of a run, one entry per video."""

    classes: list[str]
    video_ids: list[str]
    paths: list[str]
    spans: list[tuple[int, int] | None]  # where a video is a part of its file
    label_B: np.ndarray  # int64
    predicted_B: np.ndarray  # int64
    score_B: np.ndarray  # float64, probability of the predicted class
    true_score_B: np.ndarray  # float64, probability of the true class

    def __len__(self) -> int:
        return len(self.video_ids)

    def most_wrong(self, num: int) -> list[int]:
        """Entries with a wrong prediction, the most confident first."""
        wrong = np.flatnonzero(self.label_B != self.predicted_B)
        return wrong[np.argsort(-self.score_B[wrong], kind="stable")][:num].tolist()


@dataclass(frozen=True)
class Run:
    """A run directory as far as it can be read.

    Attributes:
        path: the directory.
        record: ``run.json``; empty where there is none.
        epochs: rows of ``metrics.csv``; values that are empty or no numbers are left out.
        predictions: of ``predictions.csv``.
        config: text of ``config.yaml``.
        overrides: lines of ``overrides.txt``; None without the file.
        num_bad: lines of ``bad_samples.jsonl``.
        absent: file name -> why it says nothing here.
    """

    path: Path
    record: dict[str, Any] = field(default_factory=dict)
    epochs: list[dict[str, float]] = field(default_factory=list)
    predictions: Predictions | None = None
    config: str | None = None
    overrides: list[str] | None = None
    num_bad: int = 0
    absent: dict[str, str] = field(default_factory=dict)

    def part(self, *keys: str) -> dict[str, Any]:
        """A mapping inside ``run.json``; empty where it is missing or something else."""
        value: Any = self.record
        for key in keys:
            value = value.get(key) if isinstance(value, Mapping) else None
        return dict(value) if isinstance(value, Mapping) else {}

    def number(self, *keys: str) -> float | None:
        """A number inside ``run.json``; None where it is missing or something else."""
        value = self.part(*keys[:-1]).get(keys[-1])
        return None if isinstance(value, bool) or not isinstance(value, int | float) else value


def read_run(path: Path) -> Run:
    """Reads what is there."""
    absent: dict[str, str] = {}

    def attempt(name: str, parse: Any) -> Any:
        try:
            return parse(path / name)
        except FileNotFoundError:
            absent[name] = f"There is no {name} in this run."
        except (OSError, ValueError, LookupError, csv.Error) as error:
            absent[name] = f"{name} could not be read: {error}."
        return None

    overrides = attempt("overrides.txt", _text)
    bad = path / "bad_samples.jsonl"
    return Run(
        path=path,
        record=attempt("run.json", _record) or {},
        epochs=attempt("metrics.csv", _epochs) or [],
        predictions=attempt("predictions.csv", _predictions),
        config=attempt("config.yaml", _text),
        overrides=None if overrides is None else [o for o in overrides.splitlines() if o.strip()],
        num_bad=len(set(bad.read_bytes().splitlines())) if bad.is_file() else 0,
        absent=absent,
    )


def _text(path: Path) -> str:
    return redact_text(path.read_text(encoding="utf-8", errors="replace"))


def _record(path: Path) -> dict[str, Any]:
    record = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(record, dict):
        raise ValueError("it holds no mapping")
    return redact(record, by_name=False)  # a page is sent to others


def _epochs(path: Path) -> list[dict[str, float]]:
    with path.open(newline="", encoding="utf-8") as file:
        rows = [_numbers(row) for row in csv.DictReader(file)]
    return [{"epoch": float(place), **row} for place, row in enumerate(rows) if row]


def _numbers(row: Mapping[str | None, Any]) -> dict[str, float]:
    found = {}
    for name, value in row.items():
        try:
            found[str(name)] = float(value)
        except (TypeError, ValueError):
            continue
    return found


def _predictions(path: Path) -> Predictions:
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.reader(file)
        columns = {name: place for place, name in enumerate(next(rows, []))}
        scores = [place for name, place in columns.items() if name.startswith("score/")]
        if not scores:
            raise ValueError("it has no score columns")
        ids, paths, spans, numbers = [], [], [], []
        for row in rows:
            label, predicted = int(row[columns["label"]]), int(row[columns["predicted"]])
            if not (0 <= label < len(scores) and 0 <= predicted < len(scores)):
                raise ValueError(f"label {label}, predicted {predicted} of {len(scores)} classes")
            ids.append(row[columns["video_id"]])
            paths.append(row[columns["path"]] if "path" in columns else "")
            first, _, size = (row[columns["span"]] if "span" in columns else "").partition("+")
            spans.append((int(first), int(size)) if size else None)
            shown = (float(row[scores[place]]) for place in (predicted, label))
            numbers.append((label, predicted, *(x if math.isfinite(x) else 0.0 for x in shown)))
    if not numbers:
        raise ValueError("it has no rows")
    label_B, predicted_B, score_B, true_B = np.array(numbers, np.float64).T
    names = [name.removeprefix("score/") for name in columns if name.startswith("score/")]
    return Predictions(
        names, ids, paths, spans, label_B.astype(int), predicted_B.astype(int), score_B, true_B
    )
