"""The page of ``stfw runs compare``: what differs between runs, beside their curves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from stfw.reports.document import document
from stfw.reports.html import escape, paragraph, plain, table
from stfw.reports.plots import Theme, picture, plain_axes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# told apart by colour-blind eyes, on light and on dark (Okabe & Ito 2008)
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c7a00", "#8a63d2")
DASHES = {"solid": "-", "dashed": "--", "dotted": ":"}
FIRST = ("val/top1", "train/top1", "val/loss", "train/loss")  # of the curves; others by name
LAST = ("lr",)
TITLES = {"choices": "Choices", "config": "Configuration", "data": "Data",
          "environment": "Environment", "metrics": "Scores"}  # fmt: skip
CSS = """
main { max-width: 1280px; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 26px; margin: 0 0 14px; font-size: 14px; }
.legend i { display: inline-block; width: 26px; margin-right: 8px; border-top: 3px; height: 0;
  vertical-align: middle; }
td { overflow-wrap: anywhere; min-width: 9ch; }
"""


@dataclass(frozen=True)
class Compared:
    """A run on the page.

    Attributes:
        label: short, and no other run's.
        about: what tells it from the others, in a few words; may be empty.
        facts: column of the overview -> value.
        epochs: rows of its ``metrics.csv``.
    """

    label: str
    about: str
    facts: Mapping[str, Any]
    epochs: Sequence[Mapping[str, float]]


def compare_page(
    runs: Sequence[Compared], differences: Mapping[str, Mapping[str, Sequence[str]]]
) -> str:
    """The page's HTML.

    Args:
        runs: at least two.
        differences: section -> key -> the value in each run, as text; only what differs.
    """
    facts = list(dict.fromkeys(name for run in runs for name in run.facts))
    rows = [(run.label, *(plain(run.facts.get(name)) for name in facts)) for run in runs]
    sections = {"Runs": table(("run", *facts), rows), "Curves": _curves(runs)}
    for name, values in differences.items():
        if values:
            head = ("key", *(run.label for run in runs))
            sections[TITLES.get(name, name)] = table(head, [(k, *row) for k, row in values.items()])
    same = [title.lower() for name, title in TITLES.items() if not differences.get(name)]
    if same:
        sections["The same in all"] = paragraph(", ".join(same))
    title = f"{len(runs)} runs compared"
    counts = ", ".join(f"{len(v)} {TITLES.get(n, n).lower()}" for n, v in differences.items() if v)
    said = f"Keys that differ: {counts}." if counts else "Nothing differs."
    return document(title, f"<h1>{title}</h1>{paragraph(said, 'soft')}", sections, CSS)


def curve_names(runs: Sequence[Compared]) -> list[str]:
    """Columns that have a curve, the telling ones first."""
    there = {name for run in runs for row in run.epochs for name in row} - {"epoch", "step"}
    middle = sorted(there - {*FIRST, *LAST})
    return [name for name in (*FIRST, *middle, *LAST) if name in there]


def _legend(runs: Sequence[Compared]) -> str:
    items = ""
    for place, run in enumerate(runs):
        colour, dash = style(place)
        swatch = f'<i style="border-top-style:{dash};border-top-color:{colour}"></i>'
        about = f' <span class="soft">{escape(run.about)}</span>' if run.about else ""
        items += f"<span>{swatch}{escape(run.label)}{about}</span>"
    return f'<div class="legend">{items}</div>'


def style(place: int) -> tuple[str, str]:
    """Colour and dash of the line of a run."""
    dashes = list(DASHES)
    return COLOURS[place % len(COLOURS)], dashes[place // len(COLOURS) % len(dashes)]


def _curves(runs: Sequence[Compared]) -> str:
    names = curve_names(runs)
    if not names:
        return paragraph("None of these runs has finished an epoch.")
    pictures = "".join(
        picture(draw_curve(runs, name), (3.85, 2.6), f"{name} over epochs, a line for each run")
        for name in names
    )
    return f'{_legend(runs)}<div class="plots">{pictures}</div>'


def draw_curve(runs: Sequence[Compared], name: str) -> Callable[[Figure, Theme], None]:
    """Draws one column of every run over its epochs."""

    def draw(figure: Figure, theme: Theme) -> None:
        from matplotlib.ticker import MaxNLocator, PercentFormatter

        axes = plain_axes(figure, theme)
        axes.set_title(name, loc="left")
        axes.set_xlabel("epoch")
        for place, run in enumerate(runs):
            points = [(row["epoch"], row[name]) for row in run.epochs if name in row]
            if points:
                epoch_E, value_E = np.array(points).T
                colour, dash = style(place)
                marker = "o" if len(points) < 16 else None
                axes.plot(
                    epoch_E, np.where(np.isfinite(value_E), value_E, np.nan), DASHES[dash],
                    color=colour, marker=marker, markersize=3, linewidth=1.6,
                )  # fmt: skip
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
        axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
        axes.margins(y=0.08)
        if name.endswith(("top1", "top5", "acc", "mAP")):
            axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))

    return draw
