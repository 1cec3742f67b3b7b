"""Scores against hand-made sums and against torchmetrics."""

from __future__ import annotations

import numpy as np
import pytest

from stfw.reports.scores import confused_pairs, confusion_KK, interval, per_class

LABELS, PREDICTED = [0, 0, 0, 0, 1, 1, 1, 2], [0, 0, 0, 1, 1, 1, 0, 0]


def test_confusion_counts_true_by_predicted() -> None:
    counts_KK = confusion_KK(np.array(LABELS), np.array(PREDICTED), 3)
    assert counts_KK.tolist() == [[3, 1, 0], [1, 2, 0], [1, 0, 0]]


def test_per_class_by_hand() -> None:
    scores = per_class(confusion_KK(np.array(LABELS), np.array(PREDICTED), 3))
    assert scores.recall_K.tolist() == [3 / 4, 2 / 3, 0]
    assert scores.precision_K[:2].tolist() == [3 / 5, 2 / 3]
    assert np.isnan(scores.precision_K[2])  # never predicted
    assert scores.f1_K.tolist() == pytest.approx([2 / 3, 2 / 3, 0])
    assert scores.support_K.tolist() == [4, 3, 1]
    assert scores.macro() == pytest.approx(((3 / 5 + 2 / 3) / 3, (3 / 4 + 2 / 3) / 3, 4 / 9))
    assert scores.weighted()[1] == 5 / 8  # weighted recall is top-1


def test_averages_are_those_of_torchmetrics() -> None:
    import torch
    from torchmetrics.functional.classification import (
        multiclass_f1_score,
        multiclass_precision,
        multiclass_recall,
    )

    rng = np.random.default_rng(0)
    label_B, predicted_B = rng.integers(0, 7, 300), rng.integers(0, 6, 300)  # 6 never predicted
    scores = per_class(confusion_KK(label_B, predicted_B, 7))
    for average, ours in (("macro", scores.macro()), ("weighted", scores.weighted())):
        theirs = [
            float(metric(torch.tensor(predicted_B), torch.tensor(label_B), 7, average=average))
            for metric in (multiclass_precision, multiclass_recall, multiclass_f1_score)
        ]
        assert ours == pytest.approx(theirs, abs=1e-6)


def test_a_class_without_videos_is_left_out_of_the_mean() -> None:
    scores = per_class(confusion_KK(np.array([0, 0, 1]), np.array([0, 2, 1]), 3))
    assert np.isnan(scores.recall_K[2])
    assert scores.macro()[1] == 0.75


def test_confused_pairs_come_most_frequent_first() -> None:
    counts_KK = np.array([[9, 1, 0], [4, 9, 0], [0, 2, 9]])
    assert confused_pairs(counts_KK, 5) == [(1, 0, 4), (2, 1, 2), (0, 1, 1)]
    assert confused_pairs(counts_KK, 1) == [(1, 0, 4)]


@pytest.mark.parametrize(("label", "predicted"), [([3], [0]), ([0], [-1]), ([0, 1], [0])])
def test_confusion_refuses_what_does_not_fit(label: list[int], predicted: list[int]) -> None:
    with pytest.raises(ValueError, match=r"among the classes|do not fit"):
        confusion_KK(np.array(label), np.array(predicted), 3)


def test_interval_holds_the_share_and_shrinks() -> None:
    assert interval(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)  # Wilson, 8 of 10
    assert interval(0, 10)[0] == 0
    assert interval(10, 10)[1] == pytest.approx(1)
    assert interval(0, 0) == (0, 1)
    low, high = interval(800, 1000)
    assert 0.77 < low < 0.8 < high < 0.83
