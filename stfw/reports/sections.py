"""The report's sections on the run itself; a sentence where what they need is absent."""

from __future__ import annotations

import shlex
from typing import Any

from stfw.reports.html import escape, pairs, paragraph, percent, plain, seconds, table
from stfw.reports.plots import curves, picture
from stfw.reports.read import Run

NO_NAMES = ("output_dir=", "resume=")  # of the place of one run, not of what it computes
FIGURES = {
    "input": "input, N C T H W",
    "num_parameters": "parameters",
    "gmacs_per_view": "GMACs per view",
    "effective_batch_size": "effective batch size",
    "lr": "learning rate",
    "num_epochs": "epochs",
    "num_steps": "steps",
    "views": "test views",
    "world_size": "devices",
    "seed": "seed",
}


def repeat(run: Run) -> str:
    """The command that composes this very run again; what was typed, where that differs."""
    typed = str(run.record.get("command") or "")
    command = typed
    if run.overrides is not None:
        kept = [text for text in run.overrides if not text.startswith(NO_NAMES)]
        command = shlex.join([*(typed.split()[:2] or ["stfw", "train"]), *kept])
    if not command:
        return paragraph("Neither run.json nor overrides.txt says how this run was started.")
    text = f'<pre class="command">{escape(command)}</pre>'
    if typed and typed != command:
        text += paragraph(f"Typed as: {typed}", "soft")
    commit = run.part("git").get("commit")
    return text + (paragraph(f"At commit {commit}.", "soft") if commit else "")


def choices(run: Run) -> str:
    """The choice of each slot beside the figures of the whole."""
    summary = run.part("summary")
    slots = run.part("summary", "choices")
    shown = {FIGURES.get(key, key): value for key, value in summary.items() if key != "choices"}
    if not shown and not slots:
        return paragraph(run.absent.get("run.json", "run.json holds no summary of this run."))
    figures = pairs({name: plain(value) for name, value in shown.items()})
    return f'<div class="columns">{pairs(slots)}{figures}</div>'


def learning(run: Run) -> str:
    """Loss, accuracy and learning rate over the epochs."""
    if not run.epochs:
        return paragraph(run.absent.get("metrics.csv", "metrics.csv holds no epoch yet."))
    plots = ""
    for title, names, width in (
        ("loss", {"train/loss": "train", "val/loss": "val"}, 3.35),
        (
            "accuracy",
            {"train/top1": "train", "val/top1": "val", "val/mean_class_acc": "val, class mean"},
            3.35,
        ),
        ("learning rate", {"lr": "lr"}, 2.35),
    ):
        lines = {
            label: [row.get(name, float("nan")) for row in run.epochs]
            for name, label in names.items()
            if any(name in row for row in run.epochs)
        }
        if lines:
            draw = curves([r["epoch"] for r in run.epochs], lines, title, title == "accuracy")
            plots += picture(draw, (width, 2.5), f"{title} over epochs")
    best = max(run.epochs, key=lambda row: row.get("val/top1", -1.0))
    said = ""
    if "val/top1" in best:
        said = paragraph(
            f"Validation top-1 was highest after epoch {best['epoch']:.0f}: "
            f"{percent(best['val/top1'])}. Epochs count from 0, as in metrics.csv.",
            "soft",
        )
    return f'<div class="plots">{plots}</div>{said}'


def data(run: Run) -> str:
    """Videos per split and class."""
    splits = {name: run.part("data", "splits", name) for name in run.part("data", "splits")}
    if not splits:
        return paragraph(run.absent.get("run.json", "run.json holds no counts of the data."))
    counts = {name: run.part("data", "splits", name, "per_class") for name in splits}
    classes = list(dict.fromkeys(key for per_class in counts.values() for key in per_class))
    rows = [(key, *(plain(counts[name].get(key)) for name in splits)) for key in classes]
    total = [("all", *(plain(split.get("num_videos")) for split in splits.values()))]
    mark = run.part("data").get("fingerprint")
    said = paragraph(f"Fingerprint {mark}.", "soft") if mark else ""
    return table(("class", *splits), rows, total) + said


def times(run: Run) -> str:
    """Where the time of training went."""
    stages = {
        "model": ("model", run.number("timings", "model_sec")),
        "wait": ("waiting for data", run.number("timings", "wait_sec")),
        "rest": ("validation, checkpoints and the rest", run.number("timings", "rest_sec")),
    }
    known = {kind: (name, value) for kind, (name, value) in stages.items() if value is not None}
    decode, clips = run.number("timings", "decode_sec"), run.number("timings", "clips_per_sec")
    if not known and decode is None:
        return paragraph(run.absent.get("run.json", "run.json holds no timings."))
    total = sum(value for _, value in known.values())
    text = ""
    if known:
        bar = "".join(
            f'<i class="{kind}" style="width:{100 * value / (total or 1):.2f}%"></i>'
            for kind, (_, value) in known.items()
        )
        key = "".join(
            f'<span><i class="{kind}"></i>{name} {seconds(value)}, '
            f"{percent(value / total if total else None)}</span>"
            for kind, (name, value) in known.items()
        )
        text = f'<div class="bar">{bar}</div><div class="key">{key}</div>'
    figures: dict[str, Any] = {
        "training as a whole": _maybe_seconds(run.number("timings", "fit_sec")),
        "decoding, added over the workers, beside the above": _maybe_seconds(decode),
        "training clips per second": None if clips is None else plain(clips),
    }
    return text + pairs(figures)


def _maybe_seconds(value: float | None) -> str | None:
    return None if value is None else seconds(value)


def environment(run: Run) -> str:
    """Versions, machine and code."""
    versions, machine, git = (run.part(key) for key in ("versions", "machine", "git"))
    versions.setdefault("stfw", run.record.get("stfw_version"))
    if git.get("commit"):
        machine["commit"] = f"{git['commit']}{' with changes' if git.get('dirty') else ''}"
    columns = [
        pairs({name: None if value is None else plain(value) for name, value in values.items()})
        for values in (versions, machine)
    ]
    if not any(columns):
        return paragraph(run.absent.get("run.json", "run.json holds no versions."))
    return f'<div class="columns">{"".join(columns)}</div>'


def config(run: Run) -> str:
    """The resolved configuration, folded."""
    if run.config is None:
        return paragraph(run.absent.get("config.yaml", ""))
    title = f"config.yaml, {len(run.config.splitlines())} lines"
    return f"<details><summary>{title}</summary><pre>{escape(run.config)}</pre></details>"
