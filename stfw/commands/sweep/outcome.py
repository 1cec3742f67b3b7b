"""What a trial came to, read from its run's folder."""

from __future__ import annotations

import csv
import math
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stfw.commands.launch import last_lines
from stfw.commands.sweep.spec import Sweep
from stfw.runs.directory import RunDir

LOG = "log.txt"
NUM_LINES = 8  # of a log, kept with a trial that failed


@dataclass(frozen=True)
class Outcome:
    """How a trial ended.

    Attributes:
        values: one per objective; empty where it failed.
        problem: why it failed, in one line; None: it did not.
        lines: the end of its log, where it failed.
        figures: every number of its ``run.json``.
    """

    values: tuple[float, ...] = ()
    problem: str | None = None
    lines: str = ""
    figures: Mapping[str, float] = field(default_factory=dict)


def read_outcome(sweep: Sweep, number: int, status: int) -> Outcome:
    """What a trial came to.

    Args:
        sweep: the sweep.
        number: of the trial.
        status: of its process; below 0: minus the signal that ended it.
    """
    folder = sweep.folder.trial(number)
    known = read_figures(RunDir(folder).read())
    if status != 0:
        return _failed(folder, _told(status), known)
    values = []
    for objective in sweep.objectives:
        value = known.get(objective.metric)
        if sweep.at_epoch == "best" and objective.is_per_epoch:
            best = max if objective.direction == "maximize" else min
            value = best(read_epochs(folder, objective.metric), default=value)
        if value is None:
            there = ", ".join(sorted(known)) or "none"
            return _failed(folder, f"it ended without {objective.metric} (there are: {there})")
        if not math.isfinite(value):
            return _failed(folder, f"it diverged: {objective.metric} is {value}", known)
        values.append(value)
    return Outcome(tuple(values), figures=known)


def is_finished(folder: Path) -> bool:
    """Whether a trial's run came to its end, though nobody was there to see it."""
    return RunDir(folder).read().get("status") == "finished"


def read_figures(record: Mapping[str, Any]) -> dict[str, float]:
    """Every number of a ``run.json``: scores, plan and timings."""
    parts = (record.get(name) or {} for name in ("timings", "summary", "metrics"))
    return {
        name: value
        for part in parts
        for name, value in part.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }


def read_epochs(folder: Path, metric: str) -> list[float]:
    """A score of every epoch; those that are no number are left out."""
    try:
        with (folder / "metrics.csv").open(newline="", encoding="utf-8") as file:
            values = [float(row[metric]) for row in csv.DictReader(file) if row.get(metric)]
    except OSError:
        return []
    return [value for value in values if math.isfinite(value)]


def _failed(folder: Path, problem: str, known: Mapping[str, float] | None = None) -> Outcome:
    lines = last_lines(folder / LOG, NUM_LINES)
    return Outcome((), problem, lines, known or {})


def _told(status: int) -> str:
    if status >= 0:
        return f"exit {status}"
    name = signal.Signals(-status).name
    hint = "; the system does so when memory runs out" if -status == signal.SIGKILL else ""
    return f"ended by {name}{hint}"
