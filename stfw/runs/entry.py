"""A run as ``stfw runs`` sees it: its record, its config, and what can be asked of them."""

from __future__ import annotations

import functools
import os
import platform
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from stfw.runs.config_text import MISSING, flat, value_at
from stfw.runs.registry import Finished, records
from stfw.types import UserError, nearest

FIELDS = ("run", "id", "name", "status", "date", "age", "hours", "tags", "group", "reason")
DAY_SEC = 86400.0


class Entry:
    """A run's folder, read as far as is asked.

    Args:
        path: the folder.
        record: its ``run.json``.
    """

    def __init__(self, path: Path, record: dict[str, Any]) -> None:
        self.path, self.record = path, record

    @property
    def id(self) -> str:
        """The end of the folder's name, six letters where stfw has named it."""
        return self.path.name.rpartition("-")[2] or self.path.name

    @functools.cached_property
    def status(self) -> str:
        """As recorded; ``killed`` where it runs no more and could not say so."""
        status = str(self.record.get("status", "unknown"))
        return "killed" if status == "running" and self._is_dead() else status

    @property
    def tags(self) -> list[str]:
        return [str(tag) for tag in self.record.get("tags") or ()]

    @functools.cached_property
    def date(self) -> str | None:
        """When it began, in this machine's time: ``2026-01-31 12:00``."""
        try:
            begun = datetime.fromisoformat(str(self.record.get("started")))
        except ValueError:
            return None
        return begun.astimezone().isoformat(" ", "minutes")[:16]

    @property
    def age(self) -> float | None:
        """Days since it began."""
        try:
            begun = datetime.fromisoformat(str(self.record.get("started")))
        except ValueError:
            return None
        return (time.time() - begun.timestamp()) / DAY_SEC

    @functools.cached_property
    def choices(self) -> dict[str, str]:
        """Group -> chosen option."""
        summary = self.record.get("summary")
        return dict(summary.get("choices") or {}) if isinstance(summary, dict) else {}

    @functools.cached_property
    def metrics(self) -> dict[str, float]:
        """Final scores; of a run that did not finish, those of its last epoch."""
        found = self.record.get("metrics")
        return dict(found) if isinstance(found, dict) else self._last_epoch()

    @functools.cached_property
    def config(self) -> str:
        """Text of ``config.yaml``; empty where there is none."""
        try:
            return (self.path / "config.yaml").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""

    @property
    def is_empty(self) -> bool:
        """Whether not even one epoch came to an end."""
        names = ("metrics.csv", "checkpoints", "predictions.csv")
        return self.status != "running" and not any((self.path / name).exists() for name in names)

    def value(self, key: str) -> Any:
        """What a filter, a column or a sort order means by a key, or ``MISSING``.

        A field of ``FIELDS``, a metric, a group's choice, a key of ``run.json`` or of its summary
        and timings, a key of the resolved config, in this order.
        """
        if key in FIELDS:
            return self._field(key)
        for known in (self.metrics, self.choices):
            if key in known:
                return known[key]
        for part in (self.record, self.record.get("summary"), self.record.get("timings")):
            value = _inside(part, key)
            if value is not MISSING:
                return value
        return value_at(self.config, key)

    def known_keys(self) -> list[str]:
        """Everything that ``value`` knows of this run."""
        summary = self.record.get("summary") or {}
        config = list(flat(self.config)) if self.config else []
        return [*FIELDS, *self.metrics, *self.choices, *config, *summary]

    def _field(self, key: str) -> Any:
        if key == "run":
            shown = os.path.relpath(self.path)
            return str(self.path) if shown.startswith("..") else shown
        if key == "hours":
            return Finished(self.path, self.record).hours
        own = ("id", "status", "date", "age", "tags")
        return getattr(self, key) if key in own else self.record.get(key)

    def _is_dead(self) -> bool:
        """Whether its process, known and of this machine, is gone."""
        process = self.record.get("process")
        if not isinstance(process, dict) or process.get("host") != platform.node():
            return False
        return not self.is_alive(process)

    @staticmethod
    def is_alive(process: dict[str, Any]) -> bool:
        """Whether a process of this machine is there; one that may not be looked at is."""
        if process.get("host") != platform.node():
            return False
        try:
            os.kill(int(process["pid"]), 0)
        except (ProcessLookupError, KeyError, TypeError, ValueError):
            return False
        except OSError:
            return True
        return True

    def _last_epoch(self) -> dict[str, float]:
        import csv

        try:
            with (self.path / "metrics.csv").open(newline="", encoding="utf-8") as file:
                rows = list(csv.DictReader(file))
        except (OSError, csv.Error, UnicodeDecodeError):
            return {}
        found = {}
        for name, value in (rows[-1] if rows else {}).items():
            try:
                found[str(name)] = float(value)
            except (TypeError, ValueError):
                continue
        return {name: value for name, value in found.items() if "/" in name}


def entries(runs_dir: str | Path) -> Iterator[Entry]:
    """Every run below a folder, in no order.

    Raises:
        UserError: there is no such folder.
    """
    if not Path(runs_dir).expanduser().is_dir():
        raise UserError(f"runs_dir={runs_dir}: there is no such folder")
    for path, record in records(runs_dir):
        yield Entry(path, record)


def find_entry(word: str, runs_dir: str | Path) -> Entry:
    """The run that a person names: its folder, its id, or a part of its folder's name.

    Raises:
        UserError: no run, or several.
    """
    path = Path(word).expanduser()
    if path.is_dir() and ("/" in word or word[:1] == "." or (path / "run.json").is_file()):
        for folder, record in records(path):
            if folder == path:
                return Entry(path, record)
        raise UserError(f"{word}: this folder is no run (it has no run.json that can be read)")
    root = Path(runs_dir).expanduser()
    every = list(entries(root)) if root.is_dir() else []
    exact = [entry for entry in every if word in (entry.id, entry.path.name)]
    named = exact or [e for e in every if word.strip("/") in e.path.relative_to(root).as_posix()]
    if len(named) == 1:
        return named[0]
    if named:
        shown = ", ".join(sorted(entry.path.relative_to(root).as_posix() for entry in named)[:4])
        dots = ", ..." if len(named) > 4 else ""
        raise UserError(f"{word} names {len(named)} runs ({shown}{dots}); give more of the name")
    names = [name for e in every for name in (e.id, e.path.name, e.path.parent.name)]
    raise UserError(f"{word}: there is no such run below {runs_dir}{nearest(word, set(names))}")


def _inside(tree: Any, key: str) -> Any:
    if isinstance(tree, dict) and key in tree:
        return tree[key]
    for part in key.split("."):
        if not isinstance(tree, dict) or part not in tree:
            return MISSING
        tree = tree[part]
    return tree
