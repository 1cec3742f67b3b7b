"""``report.html``: a run on one page that needs no other file, no network and no script."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from stfw.reports import sections, videos
from stfw.reports.headline import headline
from stfw.reports.html import escape, paragraph, percent
from stfw.reports.read import Run, read_run
from stfw.reports.style import CSS

SECTIONS: dict[str, Callable[[Run], str]] = {
    "Repeat": sections.repeat,
    "Choices": sections.choices,
    "Learning": sections.learning,
    "Confusion": videos.confusions,
    "Classes": videos.classes_table,
    "Most confidently wrong": videos.wrong_clips,
    "Data": sections.data,
    "Time": sections.times,
    "Environment": sections.environment,
    "Configuration": sections.config,
}


def write_report(run_dir: Path) -> Path:
    """Writes ``report.html`` into a run directory, whole or not at all.

    A section whose file is absent or damaged says so in one line.

    Raises:
        OSError: the page cannot be written.
    """
    run_dir = Path(run_dir)
    target = run_dir / "report.html"
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        part.write_text(page(read_run(run_dir)), encoding="utf-8", errors="replace")
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)
    return target


def page(run: Run) -> str:
    """The page's HTML."""
    body = "".join(
        f"<section><h2>{escape(title)}</h2>{_shown(section, run)}</section>"
        for title, section in SECTIONS.items()
    )
    name, top1 = run.record.get("name") or run.path.name, run.number("metrics", "test/top1")
    title = f"{name} {percent(top1)}" if top1 is not None else name
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{CSS}</style></head><body><main>"
        f"<header>{_shown(headline, run)}</header>{body}"
        f"<footer>{escape(run.path.resolve())}</footer></main></body></html>\n"
    )


def _shown(section: Callable[[Run], str], run: Run) -> str:
    """A section, or why it cannot be shown: one odd value must not cost the whole page."""
    try:
        return section(run)
    except Exception as error:
        return paragraph(f"This part could not be shown ({type(error).__name__}: {error}).")
