"""What is known of published networks: exact counts, who measured them, what was printed.

One CSV per encoder. ``overrides`` are set on top of the preset; ``gmacs`` are of one view, counted
as convolutions, linear layers and matrix products (the "FLOPs" of this literature); ``printed`` is
what the reference says of itself, and ``note`` why that differs.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Reference:
    """One measured setting of a published network.

    Attributes:
        model: preset.
        overrides: of the preset, for this setting.
        num_classes: of the head.
        parameters: exact.
        gmacs: per view; None where the reference's could not be counted.
        source: implementation, version and name.
        printed: what the reference prints; may be empty.
        note: why a printed figure differs; may be empty.
    """

    model: str
    overrides: tuple[str, ...]
    num_classes: int
    parameters: int
    gmacs: float | None
    source: str
    printed: str = ""
    note: str = ""


def references() -> list[Reference]:
    """All of them, encoder by encoder."""
    found = []
    for path in sorted(Path(__file__).parent.glob("*.csv")):
        with path.open(newline="", encoding="utf-8") as file:
            found += [
                Reference(
                    model=row["model"],
                    overrides=tuple(row["overrides"].split()),
                    num_classes=int(row["num_classes"]),
                    parameters=int(row["parameters"]),
                    gmacs=float(row["gmacs"]) if row["gmacs"] else None,
                    source=row["source"],
                    printed=row["printed"],
                    note=row["note"],
                )
                for row in csv.DictReader(file)
            ]
    return found
