"""Writing the tables that ``data=table`` reads."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from stfw.commands.data._sources import records_by_split, write_whole
from stfw.types import Record


def rows_of(reader: Any, path_of: Callable[[Record], str | None]) -> list[dict[str, str]]:
    """A row per record of a data set, split by split.

    Where the validation videos are also the test videos they are written once, as ``val``: a table
    without test rows is tested on those.

    Args:
        reader: the data set.
        path_of: what stands in the column ``path``; None leaves a record out.
    """
    by_split, classes = records_by_split(reader), reader.classes
    if by_split["val"] == by_split["test"]:
        del by_split["test"]
    rows = []
    for split, records in by_split.items():
        for record in records:
            path = path_of(record)
            if path is not None:
                rows.append(
                    {
                        "path": path,
                        "label": "|".join(classes[k] for k in record.labels),
                        "start_sec": "" if record.start_sec is None else str(record.start_sec),
                        "end_sec": "" if record.end_sec is None else str(record.end_sec),
                        "group": record.group or "",
                        "split": split,
                    }
                )
    return rows


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> None:
    """Writes a csv with a header, whole or not at all."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_whole(path, text.getvalue())
