"""Late fusion: the weights that are found, and what is refused."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest

from stfw.reports.fusion import GRIDS, Predictions, check_same, fuse, read, search, top1
from stfw.types import UserError


def draw(seed: int, num_runs: int, B: int, K: int) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of runs that each know something of the labels."""
    generator = np.random.default_rng(seed)
    labels_B = generator.integers(K, size=B)
    logits_RBK = generator.normal(size=(num_runs, B, K))
    for run in range(num_runs):
        logits_RBK[run, np.arange(B), labels_B] += 0.5 + 0.4 * run
    powers_RBK = np.exp(logits_RBK)
    return powers_RBK / powers_RBK.sum(axis=2, keepdims=True), labels_B


def loss(scores_BK: np.ndarray, labels_B: np.ndarray) -> float:
    return float(-np.log(scores_BK[np.arange(len(labels_B)), labels_B]).mean())


@pytest.mark.parametrize("mean", ["arithmetic", "geometric"])
def test_two_runs_get_the_best_weights_of_all(mean: str) -> None:
    for seed in range(5):
        scores_RBK, labels_B = draw(seed, 2, 60, 5)
        rated = {}
        for part in range(101):
            fused_BK = fuse(scores_RBK, (part / 100, 1 - part / 100), mean)
            rated[part / 100] = (-top1(fused_BK, labels_B), loss(fused_BK, labels_B))
        weights = search(scores_RBK, labels_B, mean)
        assert sum(weights) == pytest.approx(1)
        assert rated[round(weights[0], 2)] == pytest.approx(min(rated.values()), rel=1e-5)


@pytest.mark.parametrize("num_runs", [3, 4])
def test_more_runs_are_never_worse_than_the_whole_coarse_grid(num_runs: int) -> None:
    scores_RBK, labels_B = draw(1, num_runs, 200, 8)
    divisions = GRIDS[num_runs][0]
    points = [p for p in product(range(divisions + 1), repeat=num_runs) if sum(p) == divisions]
    coarse = max(
        top1(fuse(scores_RBK, np.array(p) / divisions, "arithmetic"), labels_B) for p in points
    )
    weights = search(scores_RBK, labels_B, "arithmetic")
    assert top1(fuse(scores_RBK, weights, "arithmetic"), labels_B) >= coarse
    assert coarse >= max(top1(scores_BK, labels_B) for scores_BK in scores_RBK)
    assert weights == search(scores_RBK, labels_B, "arithmetic")


def test_equals_are_told_apart_by_log_loss() -> None:
    # both runs are right everywhere; the first is surer, so all weight is its own
    sure, unsure = np.array([[0.9, 0.1], [0.1, 0.9]]), np.array([[0.6, 0.4], [0.4, 0.6]])
    weights = search(np.stack([sure, unsure]), np.array([0, 1]), "arithmetic")
    assert weights == (1.0, 0.0)


def test_the_means_are_what_they_say() -> None:
    scores_RBK = np.array([[[0.8, 0.2]], [[0.1, 0.9]]])
    assert fuse(scores_RBK, (0.25, 0.75), "arithmetic") == pytest.approx(np.array([[0.275, 0.725]]))
    powers = 0.8**0.25 * 0.1**0.75, 0.2**0.25 * 0.9**0.75
    expected = np.array([powers]) / sum(powers)
    assert fuse(scores_RBK, (0.25, 0.75), "geometric") == pytest.approx(expected)
    zero = np.array([[[1.0, 0.0]], [[0.5, 0.5]]])
    assert np.isfinite(fuse(zero, (0.5, 0.5), "geometric")).all()


def predictions(**changes: object) -> Predictions:
    standard = {
        "where": Path("a.csv"),
        "places": {"v0": ("", ""), "v1": ("", "")},
        "labels_B": np.array([0, 1]),
        "classes": ["x", "y"],
        "scores_BK": np.full((2, 2), 0.5),
    }
    return Predictions(**(standard | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": ["x", "z"]}, "class 1 is 'y' in a.csv and 'z' in b.csv"),
        ({"classes": ["x", "y", "z"]}, "a.csv has 2 classes and b.csv 3"),
        ({"places": {"v0": ("", "")}, "labels_B": np.array([0])}, "v1 of a.csv is not in b.csv"),
        (
            {
                "places": dict.fromkeys(("v0", "v1", "v2"), ("", "")),
                "labels_B": np.array([0, 1, 1]),
            },
            "v2 of b.csv is not in a.csv",
        ),
        ({"labels_B": np.array([0, 0])}, "video v1 is 'y' in a.csv and 'x' in b.csv"),
    ],
)
def test_the_first_difference_is_named(changes: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        check_same([predictions(), predictions(where=Path("b.csv"), **changes)])
    check_same([predictions(), predictions(where=Path("b.csv"))])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no predictions"),
        ("video_id,label\na,0\n", "holds no predictions"),
        ("video_id,path,span,label,predicted,score/a\nv,p,,x,0,1\n", "not a predictions file"),
        ("video_id,path,span,label,predicted,score/a\nv,p,,0|1,0,1\n", "several labels"),
        ("video_id,path,span,label,predicted,score/a\nv,p,,0,0\n", "not a predictions file"),
        ("video_id,path,span,label,predicted,score/a\nv,p,,0,0,1\nv,p,,0,0,1\n", "v stands there"),
    ],
)
def test_what_is_no_predictions_file_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "p.csv").write_text(text)
    with pytest.raises(UserError, match=message):
        read(tmp_path / "p.csv")
