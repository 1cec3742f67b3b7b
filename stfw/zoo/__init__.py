"""What is known of published networks: exact counts, who measured them, what was printed.

One CSV per encoder. ``overrides`` are set on top of the preset; ``gmacs`` are of one view, counted
as convolutions, linear layers and matrix products (the "FLOPs" of this literature); ``printed`` is
what the reference says of itself, and ``note`` why that differs. ``_unmeasured.csv`` says of each
preset that is not compared as it stands why.
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
    for path in sorted(Path(__file__).parent.glob("[!_]*.csv")):
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


@dataclass(frozen=True)
class Unmeasured:
    """Why a preset is not compared as it stands.

    Attributes:
        reason: in words.
        printed: what its article prints; may be empty.
    """

    reason: str
    printed: str = ""


def unmeasured() -> dict[str, Unmeasured]:
    """Preset -> why."""
    path = Path(__file__).parent / "_unmeasured.csv"
    with path.open(newline="", encoding="utf-8") as file:
        return {
            row["model"]: Unmeasured(row["reason"], row["printed"]) for row in csv.DictReader(file)
        }
