"""Tables of runs on a terminal."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from stfw.runs.config_text import MISSING


def cell(value: Any) -> str:
    """A value as a person reads it: short numbers, lists without brackets."""
    if value is MISSING or value is None:
        return "-"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return ",".join(map(cell, value)) or "-"
    if isinstance(value, dict):
        return ",".join(map(str, value)) or "-"
    return str(value)


def exact(value: Any) -> str:
    """A value as it stands in YAML on one line."""
    if isinstance(value, str) and value and value.isprintable():
        return value
    return "-" if value is MISSING else json.dumps(value, ensure_ascii=False, default=str)


def columns(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Aligned columns; those of numbers to the right."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    right = [all(_is_number(text) for text in column) for column in zip(*rows, strict=True)]
    right = right or [False] * len(head)

    def line(cells: Sequence[str]) -> str:
        placed = zip(cells, widths, right, strict=True)
        return "  ".join(f"{c:>{w}}" if r else f"{c:<{w}}" for c, w, r in placed).rstrip()

    return "\n".join(map(line, [head, *rows]))


def _is_number(text: str) -> bool:
    return text == "-" or text.replace(".", "").replace("-", "").replace("e", "").isdigit()
