"""A file of rows that grows as work goes on, and from which an interrupted tool goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


class Journal:
    """One JSON object per line, appended and flushed row by row.

    A line that a killed process left half-written is passed over, and no row is joined to it.

    Args:
        path: the file; made with the first row.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def rows(self) -> Iterator[dict[str, Any]]:
        """All whole rows, oldest first."""
        if not self.path.is_file():
            return
        for line in self.path.read_bytes().split(b"\n"):
            try:
                row = json.loads(line)
            except ValueError:
                continue
            if isinstance(row, dict):
                yield row

    def add(self, row: Mapping[str, Any]) -> None:
        """Writes a row. Raises OSError where the disk does not take it."""
        line = json.dumps(dict(row), ensure_ascii=False).encode() + b"\n"
        with self.path.open("ab+") as file:
            if file.tell():
                file.seek(-1, 2)
                if file.read(1) != b"\n":
                    line = b"\n" + line
            file.write(line)
