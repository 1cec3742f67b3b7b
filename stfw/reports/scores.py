"""Scores of predictions that stand in a file: numpy alone, so that re-scoring needs no torch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


def confusion_KK(  # noqa: N802 - the shape of what it returns
    labels_B: np.ndarray, predicted_B: np.ndarray, num_classes: int
) -> np.ndarray:
    """Counts of (true class, predicted class).

    Args:
        labels_B: true class indices, 0..num_classes-1.
        predicted_B: predicted class indices, 0..num_classes-1.
        num_classes: K.

    Returns:
        int64 K K; rows are true classes, columns predicted ones.

    Raises:
        ValueError: the lengths differ, or an index is outside 0..num_classes-1.
    """
    labels_B, predicted_B = np.asarray(labels_B, np.int64), np.asarray(predicted_B, np.int64)
    if labels_B.shape != predicted_B.shape or labels_B.ndim != 1:
        raise ValueError(f"{labels_B.shape} labels do not fit {predicted_B.shape} predictions")
    for name, index_B in (("label", labels_B), ("prediction", predicted_B)):
        outside = index_B[(index_B < 0) | (index_B >= num_classes)]
        if len(outside):
            raise ValueError(f"{name} {outside[0]} is not among the classes 0..{num_classes - 1}")
    counts = np.bincount(labels_B * num_classes + predicted_B, minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes)


@dataclass(frozen=True)
class ClassScores:
    """Scores of each class, all in 0..1.

    Attributes:
        precision_K: of the videos called this class, how many are; NaN where none is called so.
        recall_K: of the videos of this class, how many are found; NaN where there are none.
        f1_K: harmonic mean of the two; NaN where the class has no videos.
        support_K: int64, videos of the class.
    """

    precision_K: np.ndarray
    recall_K: np.ndarray
    f1_K: np.ndarray
    support_K: np.ndarray

    def macro(self) -> tuple[float, float, float]:
        """Mean precision, recall and F1 over the classes that have videos, each counting alike."""
        return self._mean((self.support_K > 0).astype(float))

    def weighted(self) -> tuple[float, float, float]:
        """The same, each class counting by its videos; the recall is then top-1."""
        return self._mean(self.support_K.astype(float))

    def _mean(self, weights_K: np.ndarray) -> tuple[float, float, float]:
        total = weights_K.sum()
        if not total:
            return (float("nan"),) * 3
        # a class that is never predicted has precision 0 here, as usual in published averages
        columns = (self.precision_K, self.recall_K, self.f1_K)
        precision, recall, f1 = (
            float(np.nan_to_num(column_K) @ weights_K / total) for column_K in columns
        )
        return precision, recall, f1


def per_class(counts_KK: np.ndarray) -> ClassScores:
    """Precision, recall, F1 and support from the counts of ``confusion_KK``."""
    right_K = counts_KK.diagonal().astype(float)
    support_K, called_K = counts_KK.sum(1), counts_KK.sum(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        precision_K, recall_K = right_K / called_K, right_K / support_K
        f1_K = np.where(support_K > 0, 2 * right_K / (support_K + called_K), np.nan)
    return ClassScores(precision_K, recall_K, f1_K, support_K)


def confused_pairs(counts_KK: np.ndarray, num_pairs: int) -> list[tuple[int, int, int]]:
    """(true class, predicted class, videos) of the most frequent mistakes, most frequent first."""
    wrong_KK = counts_KK.copy()
    np.fill_diagonal(wrong_KK, 0)
    order = np.argsort(-wrong_KK, axis=None, kind="stable")[:num_pairs]
    rows, columns = np.unravel_index(order, wrong_KK.shape)
    return [
        (int(row), int(column), int(wrong_KK[row, column]))
        for row, column in zip(rows, columns, strict=True)
        if wrong_KK[row, column]
    ]


def interval(num_right: int, num_all: int) -> tuple[float, float]:
    """95 % interval of a share, 0..1 (Wilson, JASA 1927): honest for few videos and near 0 or 1."""
    if num_all <= 0:
        return 0.0, 1.0
    z, share = 1.959964, num_right / num_all
    spread = 1 + z**2 / num_all
    middle = (share + z**2 / (2 * num_all)) / spread
    half = z / spread * (share * (1 - share) / num_all + z**2 / (4 * num_all**2)) ** 0.5
    return max(0.0, middle - half), min(1.0, middle + half)
