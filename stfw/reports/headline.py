"""The top of the report: the result, what to hold it against, and what stands out."""

from __future__ import annotations

from datetime import datetime

from stfw.reports.html import escape, paragraph, percent, seconds
from stfw.reports.notes import majority, notes
from stfw.reports.read import Run
from stfw.reports.scores import interval

SCORES = {
    "top1": "top-1",
    "top5": "top-5",
    "mean_class_acc": "mean class accuracy",
    "mAP": "mean average precision",
}


def headline(run: Run) -> str:
    """The result, what it is to be held against, and what stands out."""
    status = str(run.record.get("status", "of unknown status"))
    about = " · ".join(part for part in _when(run) if part)
    bad = "" if status == "finished" else " bad"
    text = (
        f'<p class="soft"><span class="status{bad}">{escape(status)}</span> · {escape(about)}</p>'
        if about
        else f'<p class="status{bad}">{escape(status)}</p>'
    )
    text += f"<h1>{escape(run.record.get('name') or run.path.name)}</h1>{_results(run)}"
    if "run.json" in run.absent:
        text += paragraph(run.absent["run.json"])
    found = notes(run)
    if found:
        text += f'<ul class="notes">{"".join(f"<li>{escape(note)}</li>" for note in found)}</ul>'
    return text


def _results(run: Run) -> str:
    split = next((s for s in ("test", "val") if f"{s}/top1" in run.part("metrics")), None)
    base, views = majority(run), run.part("summary").get("views")
    if split is None:
        return paragraph("There is no test result in this run.", "soft")
    where = "test" if split == "test" else "validation"
    num_classes = len(run.record.get("classes") or []) or 99
    boxes = ""
    for key, name in SCORES.items():
        value = run.number("metrics", f"{split}/{key}")
        if value is not None and not (key == "top5" and num_classes <= 5):
            kind = ' class="main"' if key == "top1" else ""
            boxes += (
                f'<div{kind}><span class="value">{percent(value)}</span>'
                f'<span class="soft">{where} {name}</span></div>'
            )
    if base is not None:
        boxes += (
            f'<div><span class="value">{percent(base[1])}</span>'
            f'<span class="soft">always “{escape(base[0])}”, the mark</span></div>'
        )
    top1 = run.number("metrics", f"{split}/top1")
    text = f'<div class="results">{boxes}</div>{_scale(top1, base[1] if base else None)}'
    facts = []
    if split == "test" and run.predictions is not None:
        predictions = run.predictions
        num_right = int((predictions.label_B == predictions.predicted_B).sum())
        low, high = interval(num_right, len(predictions))
        facts.append(f"{num_right} of {len(predictions)} videos right")
        facts.append(f"95% interval {100 * low:.1f} to {percent(high)}")
    if views:
        mean = "" if views == "1x1" else ", their probabilities averaged"
        facts.append(f"views {views}, clips × crops of each video{mean}")
    return text + paragraph(" · ".join(facts), "soft") if facts else text


def _scale(top1: float | None, base: float | None) -> str:
    if top1 is None or not 0 <= top1 <= 1:
        return ""
    mark = "" if base is None else f'<i class="base" style="left:{100 * base:.2f}%"></i>'
    label = f"top-1 {percent(top1)}; most frequent class {percent(base)}"
    got = f'<i class="got" style="width:{100 * top1:.2f}%"></i>'
    return f'<div class="scale" role="img" aria-label="{label}">{got}{mark}</div>'


def _when(run: Run) -> tuple[str, str]:
    """The minute at which the run began, and how long it took; empty where unknown."""
    times: list[datetime | None] = []
    for key in ("started", "ended"):
        try:
            times.append(datetime.fromisoformat(run.record[key]))
        except (KeyError, TypeError, ValueError):
            times.append(None)
    begin, end = times
    try:
        lasted = seconds((end - begin).total_seconds()) if begin and end else ""
    except TypeError:  # one of them without a time zone
        lasted = ""
    return (f"{begin:%Y-%m-%d %H:%M} {begin.tzname() or ''}" if begin else "", lasted)
