"""A sweep's pictures: how it went, what mattered, which values are good, what is traded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from stfw.reports.plots import Theme, plain_axes, shorten
from stfw.reports.sweep_sheet import SweepSheet, SweepTrial, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Draw = Callable[["Figure", Theme], None]
MAX_TICKS = 6  # values named beside an axis of the parallel coordinates


def history(sheet: SweepSheet, nth: int) -> Draw:
    """Draws every trial's value of one objective, and the best so far."""
    complete, pruned = sheet.of_state("complete"), sheet.of_state("pruned")
    keep = max if sheet.directions[nth] == "maximize" else min

    def draw(figure: Figure, theme: Theme) -> None:
        axes = plain_axes(figure, theme)
        axes.set_xlabel("trial")
        axes.set_ylabel(sheet.metrics[nth])
        for trials, colour, marker, name in (
            (complete, theme.right, "o", "complete"),
            (pruned, theme.wrong, "x", "pruned: its last epoch"),
        ):
            shown = [trial for trial in trials if len(trial.values) > nth]
            if shown:
                axes.plot([t.number for t in shown], [t.values[nth] for t in shown], marker,
                          color=colour, markersize=4.5, label=name)  # fmt: skip
        if complete:
            best = [complete[0].values[nth]]
            for trial in complete[1:]:
                best.append(keep(best[-1], trial.values[nth]))
            axes.step([t.number for t in complete], best, where="post", color=theme.strong,
                      linewidth=1.2, label="best so far")  # fmt: skip
        axes.legend(frameon=False, loc="best")
        _whole_ticks(axes)

    return draw


def importance(sheet: SweepSheet) -> Draw:
    """Draws the share of each parameter."""
    names = list(sheet.importance)[::-1]

    def draw(figure: Figure, theme: Theme) -> None:
        from matplotlib.ticker import PercentFormatter

        axes = plain_axes(figure, theme)
        axes.grid(False, axis="y")
        bars = axes.barh(
            [shorten(name) for name in names],
            [sheet.importance[name] for name in names],
            color=theme.right,
            height=0.6,
        )
        axes.bar_label(bars, [f"{100 * sheet.importance[n]:.0f}%" for n in names], padding=4,
                       color=theme.ink)  # fmt: skip
        axes.margins(x=0.12)
        axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))

    return draw


def parallel(sheet: SweepSheet) -> Draw:
    """Draws a line per complete trial through its parameters and its first objective.

    The darker a line, the better the trial; where a parameter was not used, it has a gap.
    """
    keys = list(sheet.space)
    trials = sorted(sheet.of_state("complete"), key=lambda t: t.values[0])
    if sheet.directions[0] == "minimize":
        trials.reverse()  # the best are drawn last, above the others

    def draw(figure: Figure, theme: Theme) -> None:
        axes = plain_axes(figure, theme)
        axes.grid(False)
        axes.spines[:].set_visible(False)
        columns = [_column(sheet, key, trials) for key in keys]
        columns.append(_scale([t.values[0] for t in trials], is_log=False))
        height_TA = np.array([heights for heights, _ in columns]).T
        rank_T = np.linspace(0, 1, len(trials)) if len(trials) > 1 else np.ones(1)
        for height_A, rank in zip(height_TA, rank_T, strict=True):
            axes.plot(range(len(columns)), height_A, color=theme.right, alpha=0.12 + 0.88 * rank**2,
                      linewidth=0.8 + 1.2 * rank**2)  # fmt: skip
        for place, (_, ticks) in enumerate(columns):
            axes.axvline(place, color=theme.grid, linewidth=1.2, zorder=0)
            for height, text in ticks:
                axes.text(place + 0.03, height, text, fontsize=7.5, va="center", color=theme.strong,
                          bbox={"facecolor": theme.surface, "alpha": 0.75, "edgecolor": "none",
                                "pad": 0.8})  # fmt: skip
        names = [shorten(name) for name in (*keys, sheet.metrics[0])]
        axes.set_xticks(range(len(columns)), names)
        axes.set_yticks([])
        axes.set_xlim(-0.1, len(columns) - 1 + 0.45)
        axes.set_ylim(-0.05, 1.05)

    return draw


def pareto(sheet: SweepSheet, nth: int) -> Draw:
    """Draws the first objective over another, and joins what nothing beats."""

    def draw(figure: Figure, theme: Theme) -> None:
        axes = plain_axes(figure, theme)
        axes.set_xlabel(sheet.metrics[nth])
        axes.set_ylabel(sheet.metrics[0])
        complete = sheet.of_state("complete")
        others = [trial for trial in complete if trial.number not in sheet.front]
        axes.plot([t.values[nth] for t in others], [t.values[0] for t in others], "o",
                  color=theme.ink, alpha=0.35, markersize=5, label="beaten by another")  # fmt: skip
        front = sorted(sheet.best, key=lambda t: t.values[nth])
        style = "-" if len(sheet.metrics) == 2 else ""  # a front of three is no line
        axes.plot([t.values[nth] for t in front], [t.values[0] for t in front], f"{style}o",
                  color=theme.right, markersize=5.5, linewidth=1.2, label="front")  # fmt: skip
        for trial in front:
            axes.annotate(str(trial.number), (trial.values[nth], trial.values[0]), fontsize=7.5,
                          xytext=(4, 4), textcoords="offset points", color=theme.ink)  # fmt: skip
        axes.margins(0.08)
        axes.legend(frameon=False, loc="best")

    return draw


def _column(
    sheet: SweepSheet, key: str, trials: Sequence[SweepTrial]
) -> tuple[list[float], list[tuple[float, str]]]:
    """Heights of the trials on one axis, NaN where unused, and the axis' ticks."""
    values = [trial.params.get(key) for trial in trials]
    used = [value for value in values if value is not None]
    if not used:  # its condition held in no trial
        return [float("nan")] * len(values), []
    if all(isinstance(v, int | float) and not isinstance(v, bool) for v in used):
        return _scale(values, key in sheet.logs)
    names = sorted({str(value) for value in used})
    places = dict(zip(names, np.linspace(0, 1, len(names)) if len(names) > 1 else [0.5],
                      strict=True))  # fmt: skip
    heights = [float("nan") if value is None else float(places[str(value)]) for value in values]
    every = -(-len(names) // MAX_TICKS)
    return heights, [(float(places[name]), shorten(name)) for name in names[::every]]


def _scale(values: Sequence[Any], is_log: bool) -> tuple[list[float], list[tuple[float, str]]]:
    """Numbers brought to 0..1, and ticks at the ends and the middle."""
    number_T = np.array([float("nan") if value is None else float(value) for value in values])
    if is_log:
        number_T = np.log(number_T)
    low, high = np.nanmin(number_T), np.nanmax(number_T)
    span = high - low
    height_T = (number_T - low) / span if span else np.where(np.isnan(number_T), np.nan, 0.5)
    ticks = []
    for height in (0.0, 0.5, 1.0) if span else (0.5,):
        value = float(low + height * span) if span else float(low)
        ticks.append((height, short(float(np.exp(value)) if is_log else value)))
    return height_T.tolist(), ticks


def _whole_ticks(axes: Axes) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
    axes.margins(y=0.08)
