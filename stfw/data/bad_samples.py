"""Unreadable videos that a run goes on without: written down, counted, and limited."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path

from stfw.redact import redact
from stfw.types import UserError, VideoError


class BadSamples:
    """Keeps one line per unreadable video of a run; every process appends whole lines.

    Args:
        max_fraction: of a split's videos; more is an error.
        path: ``bad_samples.jsonl``; None: only counted.
    """

    def __init__(self, max_fraction: float, path: Path | None = None) -> None:
        self.max_fraction, self.path = max_fraction, path
        self.by_split: dict[str, set[str]] = {}

    def add(self, errors: Iterable[VideoError], split: str, num_videos: int) -> None:
        """Notes errors; the same video counts once per split.

        Raises:
            UserError: the split has more unreadable videos than ``max_fraction`` allows.
        """
        known = self.by_split.setdefault(split, set())
        for error in errors:
            if error.path in known:
                continue
            known.add(error.path)
            row = {"path": error.path, "split": split, "kind": error.kind, "reason": error.reason}
            if self.path is not None:
                line = json.dumps(redact(row), ensure_ascii=False) + "\n"
                flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
                handle = os.open(self.path, flags, 0o644)
                try:
                    os.write(handle, line.encode())  # one write: lines of ranks do not mix
                finally:
                    os.close(handle)
            if len(known) > self.max_fraction * num_videos:
                raise UserError(
                    f"{len(known)} of {num_videos} {split} videos cannot be read, more than "
                    f"data.max_bad_fraction={self.max_fraction:g} allows; the last: {error}; "
                    "mend them (stfw data scan lists all) or raise the limit"
                )

    def counts(self) -> dict[str, int]:
        """Split to its number of unreadable videos, where there were any."""
        return {split: len(paths) for split, paths in self.by_split.items() if paths}

    def paths(self, split: str) -> set[str]:
        """Unreadable videos of a split, those of other processes too."""
        written = read_paths(self.path) if self.path is not None else {}
        return self.by_split.get(split, set()) | written.get(split, set())


def read_paths(path: Path) -> dict[str, set[str]]:
    """Split to the unreadable videos of a whole run, from ``bad_samples.jsonl``."""
    found: dict[str, set[str]] = {}
    if path.is_file():
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            found.setdefault(row["split"], set()).add(row["path"])
    return found


def read_counts(path: Path) -> dict[str, int]:
    """Split to the number of its unreadable videos, from ``bad_samples.jsonl``."""
    return {split: len(paths) for split, paths in sorted(read_paths(path).items())}
