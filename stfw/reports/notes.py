"""What a person should know before believing a run's numbers: one sentence each."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from stfw.reports.html import percent
from stfw.reports.read import Run
from stfw.reports.scores import interval

MUCH_WAITING = 0.3  # of the time of training
MUCH_WORSE = 0.1  # of the best validation loss


def majority(run: Run) -> tuple[str, float] | None:
    """The most frequent class of the test videos and its share: what always saying it would get.

    Counted in the predictions, or else in the counts of ``run.json``.
    """
    if run.predictions is not None:
        counts_K = np.bincount(run.predictions.label_B, minlength=len(run.predictions.classes))
        names = run.predictions.classes
    else:
        per_class = run.part("data", "splits", "test", "per_class")
        names, counts_K = list(per_class), np.array(list(per_class.values()) or [0], float)
    if not counts_K.sum():
        return None
    most = int(counts_K.argmax())
    return names[most], float(counts_K[most] / counts_K.sum())


def notes(run: Run) -> list[str]:
    """Sentences, the gravest first; empty if nothing stands out."""
    return [*_ending(run), *_scores(run), *_training(run), *_surroundings(run)]


def _ending(run: Run) -> Iterator[str]:
    status, reason = run.record.get("status"), run.record.get("reason")
    if status and status != "finished":
        said = {"failed": "failed", "interrupted": "was interrupted", "running": "has not ended"}
        yield f"The run {said.get(str(status), f'is {status}')}{f': {reason}' if reason else ''}."
    if run.num_bad:
        yield f"{run.num_bad} samples could not be read; bad_samples.jsonl names them."


def _scores(run: Run) -> Iterator[str]:
    predictions, base = run.predictions, majority(run)
    if predictions is None or base is None:
        return
    num_right = int((predictions.label_B == predictions.predicted_B).sum())
    top1, reported = num_right / len(predictions), run.number("metrics", "test/top1")
    if reported is not None and abs(top1 - reported) > 5e-4:
        yield (
            f"predictions.csv gives top-1 {percent(top1)} and run.json {percent(reported)}: "
            "the two are not of the same test."
        )
    if interval(num_right, len(predictions))[0] <= base[1]:
        yield (
            f"Top-1 is not clearly above {percent(base[1])}, "
            f"which always answering “{base[0]}” would get."
        )
    num_classes = len(predictions.classes)
    said_K = np.bincount(predictions.predicted_B, minlength=num_classes)
    there_K = np.bincount(predictions.label_B, minlength=num_classes)
    yield from _classes("never predicted", predictions.classes, (said_K == 0) & (there_K > 0))
    yield from _classes("without a test video", predictions.classes, there_K == 0)


def _classes(what: str, classes: list[str], chosen_K: np.ndarray) -> Iterator[str]:
    names = [classes[k] for k in np.flatnonzero(chosen_K)]
    if names:
        more = f" and {len(names) - 5} more" if len(names) > 5 else ""
        noun = "class is" if len(names) == 1 else "classes are"
        yield f"{len(names)} {noun} {what}: {', '.join(names[:5])}{more}."


def _training(run: Run) -> Iterator[str]:
    losses = [row[name] for row in run.epochs for name in ("train/loss", "val/loss") if name in row]
    if not all(math.isfinite(loss) for loss in losses):
        yield "A loss was not a finite number during training."
    val = [(row["val/loss"], row["epoch"]) for row in run.epochs if "val/loss" in row]
    val = [pair for pair in val if math.isfinite(pair[0])]
    if val and val[-1][0] > (1 + MUCH_WORSE) * min(val)[0]:
        yield (
            f"The validation loss was lowest after epoch {min(val)[1]:.0f} ({min(val)[0]:.3g}) "
            f"and rose to {val[-1][0]:.3g}: a sign of overfitting."
        )
    wait, fit = run.number("timings", "wait_sec"), run.number("timings", "fit_sec")
    if wait and fit and wait > MUCH_WAITING * fit:
        yield f"Training waited for data {percent(wait / fit)} of its time."


def _surroundings(run: Run) -> Iterator[str]:
    train = run.part("data", "splits", "train", "per_class")
    if train:
        empty_K = np.array([not count for count in train.values()])
        yield from _classes("without a training video", list(train), empty_K)
    if run.part("git").get("dirty"):
        yield "The code had changes that are not in the commit."
