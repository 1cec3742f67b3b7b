"""The report's pictures: SVG inside the page, once for light and once for dark screens."""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from stfw.reports.html import escape

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_LABELS = 30  # more names along an axis cannot be read
MAX_NUMBERS = 16  # more cells a side have no room for their number
MAX_LENGTH = 22  # of a name, in letters


@dataclass(frozen=True)
class Theme:
    """Colours of a picture; the lines are told apart by colour-blind eyes too."""

    ink: str
    strong: str
    grid: str
    surface: str
    right: str
    wrong: str
    lines: tuple[str, str, str]


LIGHT = Theme("#565c66", "#22262c", "#e4e6ea", "#ffffff", "#2c6e9b", "#c2571a",
              ("#2c6e9b", "#c2571a", "#7a6aa8"))  # fmt: skip
DARK = Theme("#a9b0bb", "#e3e6ea", "#30353d", "#1b1e23", "#5aa5d6", "#e58a4f",
             ("#6db3e0", "#e89a62", "#a99bd6"))  # fmt: skip


def picture(draw: Callable[[Figure, Theme], None], size: tuple[float, float], alt: str) -> str:
    """An HTML ``<picture>`` without files.

    Args:
        draw: fills the figure it is given.
        size: (width, height) in inches of 96 pixels.
        alt: what the picture shows, for those who cannot see it.
    """
    light, dark = (_svg(draw, size, theme) for theme in (LIGHT, DARK))
    return (
        f'<picture><source media="screen and (prefers-color-scheme: dark)" srcset="{dark}">'
        f'<img src="{light}" alt="{escape(alt)}" '
        f'width="{size[0] * 96:.0f}" height="{size[1] * 96:.0f}"></picture>'
    )


def curves(
    epoch_E: Sequence[float], lines: Mapping[str, Sequence[float]], title: str, share: bool = False
) -> Callable[[Figure, Theme], None]:
    """Draws lines over epochs; ``share`` is for values in 0..1."""

    def draw(figure: Figure, theme: Theme) -> None:
        from matplotlib.ticker import MaxNLocator, PercentFormatter

        axes = plain_axes(figure, theme)
        axes.set_title(title, loc="left")
        axes.set_xlabel("epoch")
        styles = zip(lines.items(), theme.lines, ("-", "-", "--"), strict=False)
        for (name, values), colour, style in styles:  # dashed: the line beneath shows through
            shown = np.where(np.isfinite(values), values, np.nan)
            marker = "o" if len(epoch_E) < 16 else None
            axes.plot(
                epoch_E, shown, style, color=colour, marker=marker, markersize=3.5, label=name
            )
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
        axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
        axes.margins(y=0.08)
        if share:
            axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        if len(lines) > 1:
            axes.legend(frameon=False, handlelength=1.4, borderaxespad=0.2)

    return draw


def confusion_size(num_classes: int) -> tuple[float, float]:
    """Inches for a confusion matrix: cells of a readable size, never wider than the page."""
    side = float(np.clip(1.8 + 0.46 * num_classes, 3.4, 8.6))
    return side, side


def confusion(counts_KK: np.ndarray, classes: Sequence[str]) -> Callable[[Figure, Theme], None]:
    """Draws shares of each true class's videos: right ones in one colour, wrong in another."""

    def draw(figure: Figure, theme: Theme) -> None:
        num_classes = len(classes)
        share_KK = counts_KK / np.maximum(counts_KK.sum(1, keepdims=True), 1)
        axes = plain_axes(figure, theme)
        axes.grid(False)
        axes.spines[:].set_visible(True)
        axes.imshow(_cells(share_KK, theme), interpolation="nearest", aspect="equal")
        every = -(-num_classes // MAX_LABELS)
        shown = range(0, num_classes, every)
        names = [shorten(classes[k]) for k in shown]
        size = 8 if num_classes <= MAX_LABELS else 6.5
        axes.set_xticks(shown, names, rotation=90 if num_classes > 3 else 0, fontsize=size)
        axes.set_yticks(shown, names, fontsize=size)
        axes.set_xlabel("predicted")
        axes.set_ylabel("true")
        if num_classes <= MAX_NUMBERS:
            for (row, column), share in np.ndenumerate(share_KK):
                if counts_KK[row, column]:
                    colour = theme.surface if share > 0.65 else theme.strong
                    axes.text(column, row, f"{100 * share:.0f}", color=colour,
                              ha="center", va="center", fontsize=8)  # fmt: skip

    return draw


def shorten(name: str) -> str:
    """A name that fits beside an axis."""
    name = "".join(letter if letter.isprintable() else " " for letter in name)
    return name if len(name) <= MAX_LENGTH else f"{name[: MAX_LENGTH - 1]}…"


def _cells(share_KK: np.ndarray, theme: Theme) -> np.ndarray:
    """Colours of the cells, float K K 3; the root keeps rare mistakes visible."""
    from matplotlib.colors import to_rgb

    surface, right, wrong = (
        np.array(to_rgb(colour)) for colour in (theme.surface, theme.right, theme.wrong)
    )
    diagonal_KK1 = np.eye(len(share_KK), dtype=bool)[..., None]
    depth_KK1 = np.sqrt(share_KK)[..., None]
    return surface + depth_KK1 * (np.where(diagonal_KK1, right, wrong) - surface)


def plain_axes(figure: Figure, theme: Theme) -> Axes:
    """The figure's axes: a light grid, and no frame above or to the right."""
    axes = figure.add_subplot()
    axes.set_facecolor("none")
    axes.grid(color=theme.grid, linewidth=0.8)
    axes.set_axisbelow(True)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(theme.grid)
    axes.tick_params(length=0)
    return axes


def _svg(draw: Callable[[Figure, Theme], None], size: tuple[float, float], theme: Theme) -> str:
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    settings: dict[Any, Any] = {
        "svg.fonttype": "none",  # letters stay letters: small, sharp, and of any alphabet
        "svg.hashsalt": "stfw",  # the same run gives the same page
        "text.parse_math": False,  # a class may have a dollar in its name
        "font.family": "sans-serif",
        "font.sans-serif": ["DejaVu Sans", "Helvetica", "Arial", "sans-serif"],
        "font.size": 9,
        "axes.titlesize": 10,
        "lines.linewidth": 1.8,
        **dict.fromkeys(
            ("text.color", "axes.labelcolor", "axes.titlecolor", "xtick.color", "ytick.color"),
            theme.ink,
        ),
    }
    with matplotlib.rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # the browser has it
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasAgg(figure)
        figure.patch.set_alpha(0)
        draw(figure, theme)
        file = io.BytesIO()
        figure.savefig(file, format="svg", dpi=192, metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(file.getvalue()).decode()
