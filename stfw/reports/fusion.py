"""Late fusion of scores that stand in files: which weights, found how. NumPy alone."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from pathlib import Path
from typing import Literal

import numpy as np

from stfw.types import UserError

Mean = Literal["arithmetic", "geometric"]
FLOOR = 5e-7  # half of the last digit that a predictions file keeps
# divisions of 1 per number of runs: a full grid, then finer ones around the best
GRIDS = {2: (100,), 3: (20, 100), 4: (10, 20, 100)}
REACH = 2  # steps of a finer grid to each side
CHUNK = 2**24  # scores at a time


@dataclass(frozen=True)
class Predictions:
    """One predictions file.

    Attributes:
        where: the file.
        places: video id to (path, span), in order of the file.
        labels_B: class index of each video.
        classes: K names.
        scores_BK: probabilities.
    """

    where: Path
    places: dict[str, tuple[str, str]]
    labels_B: np.ndarray
    classes: list[str]
    scores_BK: np.ndarray


def read(path: Path) -> Predictions:
    """Reads a predictions file, in order of video id.

    Raises:
        UserError: it is not there, not such a file, or has several labels per video.
    """
    prefix = "score/"
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = csv.reader(file)
            header = next(rows, [])
            ordered = sorted(row for row in rows if row)  # the video id stands first
        scored = [at for at, name in enumerate(header) if name.startswith(prefix)]
        if not scored or not ordered:
            raise UserError(f"{path}: holds no predictions")
        columns = ("video_id", "path", "span", "label")
        ids, paths, spans, labels = ([row[header.index(c)] for row in ordered] for c in columns)
        if any("|" in label for label in labels):
            raise UserError(f"{path}: the videos have several labels each; fuse takes one each")
        twice = next((a for a, b in pairwise(ids) if a == b), None)
        if twice is not None:
            raise UserError(f"{path}: video {twice} stands there twice")
        return Predictions(
            path,
            dict(zip(ids, zip(paths, spans, strict=True), strict=True)),
            np.array([int(label) for label in labels]),
            [header[at].removeprefix(prefix) for at in scored],
            np.array([[float(row[at]) for at in scored] for row in ordered]),
        )
    except (ValueError, IndexError) as error:
        raise UserError(f"{path}: not a predictions file ({error})") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error


def check_same(all_runs: Sequence[Predictions]) -> None:
    """Refuses scores that are not of the same videos, labels and classes.

    Raises:
        UserError: names the first difference.
    """
    first = all_runs[0]
    for other in all_runs[1:]:
        for index, (a, b) in enumerate(zip(first.classes, other.classes, strict=False)):
            if a != b:
                raise UserError(
                    f"class {index} is '{a}' in {first.where} and '{b}' in {other.where}"
                )
        if len(first.classes) != len(other.classes):
            raise UserError(
                f"{first.where} has {len(first.classes)} classes and {other.where} "
                f"{len(other.classes)}"
            )
        for one, two in ((first, other), (other, first)):
            absent = next((name for name in one.places if name not in two.places), None)
            if absent is not None:
                raise UserError(f"video {absent} of {one.where} is not in {two.where}")
        wrong_B = np.flatnonzero(first.labels_B != other.labels_B)
        if len(wrong_B):
            name, a, b = (
                list(first.places)[wrong_B[0]],
                first.classes[first.labels_B[wrong_B[0]]],
                other.classes[other.labels_B[wrong_B[0]]],
            )
            raise UserError(f"video {name} is '{a}' in {first.where} and '{b}' in {other.where}")


def fuse(scores_RBK: np.ndarray, weights_R: Sequence[float], mean: Mean) -> np.ndarray:
    """Weighted mean of R runs' probabilities, B K; the geometric one is brought back to sum 1."""
    shares_R = np.asarray(weights_R, float)
    if mean == "arithmetic":
        return np.tensordot(shares_R, scores_RBK, 1)
    logs_BK = np.tensordot(shares_R, np.log(np.maximum(scores_RBK, FLOOR)), 1)
    fused_BK = np.exp(logs_BK - logs_BK.max(axis=1, keepdims=True))
    return fused_BK / fused_BK.sum(axis=1, keepdims=True)


def top1(scores_BK: np.ndarray, labels_B: np.ndarray) -> float:
    """Share of videos whose label is their most probable class."""
    return float((scores_BK.argmax(axis=1) == labels_B).mean())


def search(scores_RBK: np.ndarray, labels_B: np.ndarray, mean: Mean) -> tuple[float, ...]:
    """Weights (sum 1) of the best top-1; of equals, those of the lowest log loss.

    A grid over the simplex, then finer ones around its best point. The same scores give the same
    weights.

    Args:
        scores_RBK: probabilities of R = 2..4 runs.
        labels_B: class of each video.
        mean: how probabilities are joined.
    """
    R = len(scores_RBK)
    best: tuple[int, ...] | None = None
    for divisions in GRIDS[R]:
        if best is None:
            points = [p for p in product(range(divisions + 1), repeat=R) if sum(p) == divisions]
        else:
            ratio = divisions // sum(best)
            sides = product(range(-REACH, REACH + 1), repeat=R)
            near = (tuple(ratio * b + s for b, s in zip(best, side, strict=True)) for side in sides)
            points = [p for p in near if sum(p) == divisions and min(p) >= 0]
        weights_GR = np.array(points) / divisions
        right_G, loss_G = _rate(scores_RBK, labels_B, weights_GR, mean)
        equals = np.flatnonzero(right_G == right_G.max())
        best = points[equals[int(np.argmin(loss_G[equals]))]]
    assert best is not None
    return tuple(part / sum(best) for part in best)


def _rate(
    scores_RBK: np.ndarray, labels_B: np.ndarray, weights_GR: np.ndarray, mean: Mean
) -> tuple[np.ndarray, np.ndarray]:
    """For every point of the grid: videos whose label is the most probable class, and log loss."""
    R, B, K = scores_RBK.shape
    geometric = mean == "geometric"
    values = np.log(np.maximum(scores_RBK, FLOOR)) if geometric else scores_RBK
    values = values.astype(np.float32).reshape(R, B * K)
    per_chunk = max(1, CHUNK // (B * K))
    rights, losses = [], []
    for begin in range(0, len(weights_GR), per_chunk):
        weights = weights_GR[begin : begin + per_chunk].astype(np.float32)
        fused_GBK = (weights @ values).reshape(-1, B, K)
        rights.append((fused_GBK.argmax(axis=2) == labels_B).sum(axis=1))
        label_GB = fused_GBK[:, np.arange(B), labels_B]
        if geometric:
            top_GB1 = fused_GBK.max(axis=2, keepdims=True)
            total_GB = np.exp(fused_GBK - top_GB1).sum(axis=2)
            losses.append((top_GB1[..., 0] + np.log(total_GB) - label_GB).mean(axis=1))
        else:
            losses.append(-np.log(np.maximum(label_GB, FLOOR)).mean(axis=1))
    return np.concatenate(rights), np.concatenate(losses)
