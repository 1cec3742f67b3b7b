"""The frame of a page that needs no other file, no network and no script."""

from __future__ import annotations

from collections.abc import Mapping

from stfw.reports.html import escape
from stfw.reports.style import CSS


def document(title: str, header: str, sections: Mapping[str, str], css: str = "") -> str:
    """A whole page.

    Args:
        title: of the window, as text.
        header: HTML of the head of the page.
        sections: title to HTML.
        css: what this page needs beyond the common style.
    """
    body = "".join(
        f"<section><h2>{escape(name)}</h2>{content}</section>" for name, content in sections.items()
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{CSS}{css}</style></head><body><main>"
        f"<header>{header}</header>{body}</main></body></html>\n"
    )
