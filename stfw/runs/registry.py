"""The finished runs below a folder, found by what they computed."""

from __future__ import annotations

import json
import os
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from stfw.runs.fingerprint import PLACE_KEYS

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Finished:
    """A finished run.

    Attributes:
        path: its folder.
        record: its ``run.json``.
    """

    path: Path
    record: dict[str, Any]

    @property
    def hours(self) -> float | None:
        """From start to end, where both are known, without the time that it lay still."""
        from datetime import datetime

        try:
            begin, end = (datetime.fromisoformat(self.record[key]) for key in ("started", "ended"))
        except (KeyError, TypeError, ValueError):
            return None
        return ((end - begin).total_seconds() - self.record.get("paused_sec", 0)) / 3600


def records(runs_dir: str | Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every run's folder and ``run.json`` below ``runs_dir``; damaged records are left out."""
    for folder, names, files in os.walk(Path(runs_dir).expanduser()):
        if "run.json" in files:
            names.clear()  # a run holds no other run
            try:
                with open(os.path.join(folder, "run.json"), "rb") as file:
                    record = json.loads(file.read())
            except (OSError, ValueError):
                continue
            if isinstance(record, dict):
                yield Path(folder), record


class Registry:
    """The finished runs below a folder, the newest of each kind."""

    def __init__(self, runs_dir: str | Path) -> None:
        self._by_config: dict[str, Finished] = {}
        self._by_overrides: dict[frozenset[str], Finished] = {}
        for path, record in records(runs_dir):
            if record.get("status") == "finished":
                run = Finished(path, record)
                _keep(self._by_config, record.get("config_fingerprint"), run)
                if "overrides" in record:
                    _keep(self._by_overrides, said(record["overrides"]), run)

    def of_config(self, config_fingerprint: str) -> Finished | None:
        """The run of this configuration."""
        return self._by_config.get(config_fingerprint)

    def find(self, config_fingerprint: str, overrides: Iterable[str]) -> Finished | None:
        """The run of this configuration; or, where the configs have changed since, the one that was
        started with the same overrides."""
        known = self._by_config.get(config_fingerprint)
        return known or self._by_overrides.get(said(overrides))


def said(overrides: Iterable[str]) -> frozenset[str]:
    """Overrides without those that only say where things lie; none: the defaults."""
    return frozenset(text for text in overrides if text.split("=", 1)[0] not in PLACE_KEYS)


def _keep(runs: dict[Key, Finished], key: Key | None, run: Finished) -> None:
    if key is not None:
        known = runs.get(key)
        if known is None or str(known.record.get("ended")) < str(run.record.get("ended")):
            runs[key] = run
