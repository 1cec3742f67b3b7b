"""The page of a sweep: one file, no network, no script."""

from __future__ import annotations

from collections.abc import Sequence

from stfw.reports import html
from stfw.reports.document import document
from stfw.reports.plots import picture
from stfw.reports.sweep_plots import history, importance, parallel, pareto
from stfw.reports.sweep_sheet import SweepSheet, SweepTrial, short

WIDTH = 9.4  # inches that a page has room for
CSS = "tbody th { overflow-wrap: normal; padding-right: 20px; }"


def to_html(sheet: SweepSheet, top: int = 5) -> str:
    """The whole page.

    Args:
        sheet: the sweep.
        top: so many trials are listed as the best, with their commands; a front is listed whole.
    """
    best = sheet.best
    sections = {_title(sheet): _best(sheet, best[:top] if sheet.is_single else best)}
    if best:
        sections["Run them again"] = _commands(best[:top])
        if not sheet.is_single:
            sections["What is traded"] = _pareto(sheet)
        sections["How it went"] = _history(sheet)
        sections["Which parameters mattered"] = _importance(sheet)
        sections["Which values are good"] = _parallel(sheet)
    sections["All trials"] = html.table(_head(sheet), [_row(sheet, t) for t in sheet.trials])
    if failed := sheet.of_state("failed"):
        sections["Failed"] = "".join(_failed(trial) for trial in failed)
    sections["What was searched"] = _space(sheet)
    header = f"<h1>{html.escape(sheet.name)}</h1>{html.paragraph(sheet.counts)}"
    return document(sheet.name, header, sections, CSS)


def to_text(sheet: SweepSheet, top: int = 5) -> str:
    """The same for a terminal: the best trials, what mattered, their commands."""
    best = sheet.best[:top]
    lines = [f"{sheet.name}: {sheet.counts}"]
    if best:
        listed = best if sheet.is_single else sheet.best
        rows = [_head(sheet), *(_row(sheet, trial) for trial in listed)]
        widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
        lines += [
            "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ]
    if sheet.importance:
        shares = "  ".join(f"{key} {100 * share:.0f}%" for key, share in sheet.importance.items())
        lines.append(f"importance: {shares}")
    lines += [f"trial {trial.number}: {trial.command}" for trial in best]
    lines += [f"failed: trial {t.number}: {t.problem}" for t in sheet.of_state("failed")]
    return "\n".join(lines)


def _title(sheet: SweepSheet) -> str:
    return "Best trials" if sheet.is_single else "Pareto front: what no other trial beats"


def _head(sheet: SweepSheet) -> list[str]:
    return ["trial", *sheet.metrics, *sheet.space, "state"]


def _row(sheet: SweepSheet, trial: SweepTrial) -> list[str]:
    values = [short(value) for value in trial.values] or ["–"]
    values += ["–"] * (len(sheet.metrics) - len(values))
    params = [trial.texts.get(key, "–") for key in sheet.space]
    state = trial.state
    if trial.state == "pruned" and trial.epochs:
        return [str(trial.number), *values, *params, f"pruned after epoch {max(trial.epochs)}"]
    return [str(trial.number), *values, *params, state]


def _best(sheet: SweepSheet, best: Sequence[SweepTrial]) -> str:
    if not best:
        return html.paragraph("No trial is complete yet.")
    return html.table(_head(sheet), [_row(sheet, trial) for trial in best])


def _commands(best: Sequence[SweepTrial]) -> str:
    text = html.paragraph(
        "With the test that the sweep leaves out; run them with other seeds too, since the best of "
        "many trials is also the luckiest.",
        "soft",
    )
    for trial in best:
        place = f"trials/{trial.folder.name} beside this page"
        text += html.paragraph(f"Trial {trial.number}; its run: {place}", "soft")
        text += f'<pre class="command">{html.escape(trial.command)}</pre>'
    return text


def _history(sheet: SweepSheet) -> str:
    return "".join(
        picture(history(sheet, nth), (WIDTH, 3.2), f"{name} of every trial, and the best so far")
        for nth, name in enumerate(sheet.metrics)
    )


def _importance(sheet: SweepSheet) -> str:
    if not sheet.importance:
        return html.paragraph("Too few complete trials, or none that differ, to say.")
    size = (WIDTH, 0.9 + 0.32 * len(sheet.importance))
    text = (
        "PED-ANOVA (Watanabe et al. 2023): how far the values of the best tenth differ from those "
        f"of all {len(sheet.of_state('complete'))} complete trials. Of few trials it says little."
    )
    return picture(importance(sheet), size, "share of each parameter") + html.paragraph(
        text, "soft"
    )


def _parallel(sheet: SweepSheet) -> str:
    alt = "a line per complete trial through its parameters"
    text = f"A line per complete trial; the darker and thicker, the better its {sheet.metrics[0]}. "
    text += "A line has a gap where a parameter was not used."
    return picture(parallel(sheet), (WIDTH, 3.6), alt) + html.paragraph(text, "soft")


def _pareto(sheet: SweepSheet) -> str:
    return "".join(
        picture(pareto(sheet, nth), (WIDTH, 3.8), f"{sheet.metrics[0]} over {sheet.metrics[nth]}")
        for nth in range(1, len(sheet.metrics))
    )


def _failed(trial: SweepTrial) -> str:
    params = ", ".join(f"{key}={value}" for key, value in trial.texts.items())
    text = html.paragraph(f"Trial {trial.number}: {trial.problem}; {params}")
    return text + (f"<pre>{html.escape(trial.log)}</pre>" if trial.log else "")


def _space(sheet: SweepSheet) -> str:
    goals = (f"{way} {name}" for way, name in zip(sheet.directions, sheet.metrics, strict=True))
    about = html.pairs(
        {
            "objectives": ", ".join(goals),
            "search": sheet.method,
            "pruner": sheet.pruner,
            "overrides of every trial": " ".join(sheet.overrides),
        }
    )
    return html.table(("parameter", "values"), list(sheet.space.items())) + about
