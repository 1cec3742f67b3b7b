"""The page of ``stfw data scan``: what a data set consists of, and what in it is unusual."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from stfw.data.survey import Finding, Seen, per_class
from stfw.reports.document import document
from stfw.reports.html import escape, paragraph, plain, seconds, table
from stfw.reports.plots import Theme, picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_ROWS = 500  # of a table; the JSON has all
TALLIES = {
    "containers": "container",
    "codecs": "codec",
    "pixel_formats": "pixel format",
    "audio": "sound",
    "sizes": "width x height",
    "rates": "frames per second",
}


def survey_page(
    name: str, files: Sequence[Seen], totals: Mapping[str, Any], found: Sequence[Finding]
) -> str:
    """The page's HTML.

    Args:
        name: what was scanned.
        files: what was seen of each.
        totals: from ``survey.counts``.
        found: from ``survey.findings``.
    """
    sections = {finding.name.capitalize(): _finding(finding) for finding in found if finding.rows}
    sections["Distributions"] = _plots(files)
    if any(file.splits for file in files):
        sections["Classes"] = _classes(files)
    sections["Formats"] = "".join(
        f"<div>{_tally(title, totals[key])}</div>" for key, title in TALLIES.items()
    )
    sections["Formats"] = f'<div class="columns">{sections["Formats"]}</div>'
    return document(f"scan of {name}", _head(name, totals, found), sections)


def _head(name: str, totals: Mapping[str, Any], found: Sequence[Finding]) -> str:
    num_bad = totals["num_videos"] - totals["num_readable"]
    values = {
        "videos": plain(totals["num_videos"]),
        "cannot be read": plain(num_bad),
        "frames": plain(totals["num_frames"]),
        "length": seconds(totals["duration_sec"]),
        "megabytes": f"{totals['num_bytes'] / 1e6:,.1f}",
        "with sound": plain(totals["num_with_audio"]),
        "variable rate": plain(totals["num_variable_rate"]),
    }
    boxes = "".join(
        f'<div><span class="value">{escape(value)}</span><span class="soft">{escape(key)}</span>'
        "</div>"
        for key, value in values.items()
    )
    notes = [f"{len(f.rows)} {f.name}: {f.meaning}" for f in found if f.rows]
    if len(totals["sizes"]) > 1:
        notes.append(f"{len(totals['sizes'])} frame sizes are mixed; clips are resized to one.")
    items = "".join(f"<li>{escape(note)}</li>" for note in notes)
    listed = f'<ul class="notes">{items}</ul>' if notes else paragraph("Nothing unusual.", "soft")
    return (
        f'<p class="soft">scan</p><h1>{escape(name)}</h1><div class="results">{boxes}</div>{listed}'
    )


def _finding(finding: Finding) -> str:
    text = paragraph(finding.meaning, "soft") + table(finding.head, finding.rows[:MAX_ROWS])
    if len(finding.rows) > MAX_ROWS:
        text += paragraph(f"And {len(finding.rows) - MAX_ROWS} more; --json lists all.", "soft")
    return text


def _classes(files: Sequence[Seen]) -> str:
    columns, rows = per_class(files)
    total = ["all", *(sum(row[k] for row in rows) for k in range(1, len(columns) + 1))]
    return table(["class", *columns], rows, [total])


def _tally(title: str, counts: Mapping[str, int]) -> str:
    rows = list(counts.items())
    shown = rows[:12]
    if len(rows) > len(shown):
        shown.append((f"{len(rows) - 12} others", sum(n for _, n in rows[12:])))
    return f"<h3>{escape(title)}</h3>" + table(("", "videos"), shown)


def _plots(files: Sequence[Seen]) -> str:
    good = [file for file in files if file.readable]
    values: dict[str, list[float | None]] = {
        "length in seconds": [f.duration_sec for f in good],
        "frames": [f.num_frames for f in good],
        "frames per second": [f.fps for f in good],
        "shorter side in pixels": [min(f.height or 0, f.width or 0) for f in good],
        "width / height": [(f.width or 0) / (f.height or 1) for f in good],
        "megabytes": [(f.size or 0) / 1e6 for f in good],
    }
    if not good:
        return paragraph("No video can be read.")
    return picture(histograms(values), (9.0, 4.4), f"histograms of {', '.join(values)}")


def histograms(values: Mapping[str, Sequence[float | None]]) -> Callable[[Figure, Theme], None]:
    """Draws how often values occur, three histograms a row.

    A long tail is cut at the 99th percentile, and the title says so.
    """

    def draw(figure: Figure, theme: Theme) -> None:
        from matplotlib.ticker import MaxNLocator

        all_axes = figure.subplots(-(-len(values) // 3), 3, squeeze=False).ravel()
        for axes, (title, numbers) in zip(all_axes, values.items(), strict=False):
            x = np.array([number or 0 for number in numbers], float)
            high = float(np.percentile(x, 99))
            is_cut = len(x) >= 100 and x.max() > 2 * high
            axes.hist(x[x <= high] if is_cut else x, bins=30, color=theme.right)
            axes.set_title(f"{title} (99% of them)" if is_cut else title, loc="left")
            axes.set_facecolor("none")
            axes.grid(color=theme.grid, linewidth=0.8)
            axes.set_axisbelow(True)
            axes.tick_params(length=0)
            axes.spines[["top", "right"]].set_visible(False)
            axes.spines[["left", "bottom"]].set_color(theme.grid)
            axes.xaxis.set_major_locator(MaxNLocator(nbins=4))
            axes.yaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))

    return draw
