"""Small pieces of HTML, each of which escapes what it is given."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def escape(value: Any) -> str:
    """Text for the page, in elements and in attributes."""
    return html.escape(str(value))


def paragraph(text: Any, kind: str = "") -> str:
    """A paragraph, of a CSS class if named."""
    return f'<p class="{kind}">{escape(text)}</p>' if kind else f"<p>{escape(text)}</p>"


def table(
    head: Sequence[Any], rows: Iterable[Sequence[Any]], foot: Iterable[Sequence[Any]] = ()
) -> str:
    """A table whose first column names the row; all others are numbers, or short words."""

    def line(cells: Sequence[Any], tag: str) -> str:
        scope = "col" if tag == "th" else "row"
        first = f'<th scope="{scope}">{escape(cells[0])}</th>'
        others = "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells[1:])
        return f"<tr>{first}{others}</tr>"

    body, end = "".join(line(row, "td") for row in rows), "".join(line(row, "td") for row in foot)
    end = f"<tfoot>{end}</tfoot>" if end else ""
    return (
        '<div class="scroll" tabindex="0">'
        f"<table><thead>{line(head, 'th')}</thead><tbody>{body}</tbody>{end}</table></div>"
    )


def pairs(values: Mapping[str, Any]) -> str:
    """A list of names and values; the empty ones are left out."""
    items = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>"
        for name, value in values.items()
        if value is not None and value != ""
    )
    return f'<dl class="pairs">{items}</dl>' if items else ""


def percent(share: float | None) -> str:
    """0.934 as ``93.4%``; a dash for what is unknown."""
    return "–" if share is None or not math.isfinite(share) else f"{100 * share:.1f}%"


def seconds(value: float) -> str:
    """A length of time, in the two units that a person would say."""
    if not math.isfinite(value):
        return "–"
    if value < 60:
        return f"{value:.1f} s"
    whole = round(value)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def plain(value: Any) -> str:
    """A value of ``run.json`` as text: short numbers, no Python punctuation."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {plain(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(plain(item) for item in value)
    return str(value)
