"""Places of equal pieces along an axis: of clips in time, of boxes in rows and columns."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


def grid_starts(last_start: int, step: int) -> np.ndarray:
    """Every ``step``-th start, and the last one whatever is left: the end is never dropped.

    ``grid_starts(980, 20)`` ends with 960, 980; ``grid_starts(990, 20)`` with 980, 990.
    """
    starts = np.arange(0, last_start + 1, step)
    return starts if starts[-1] == last_start else np.append(starts, last_start)


def segment_starts(num_starts: int, num_segments: int, shares: np.ndarray) -> np.ndarray:
    """A start in each of equal segments of ``0..num_starts-1``.

    Args:
        num_starts: starts that there are.
        num_segments: K.
        shares: ... x K or ... x 1, how far into its segment each lies, 0 <= share < 1.

    Returns:
        int64 ... x K; where there are fewer starts than segments, starts repeat.
    """
    tick = num_starts / num_segments
    starts = np.floor(tick * shares + tick * np.arange(num_segments)).astype(np.int64)
    return np.minimum(starts, num_starts - 1)  # a share next to 1 may be rounded up


def part_ranges(length: int, num_parts: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Where a piece of ``size`` may begin so that it stays inside each of equal parts.

    A piece that is longer than its part stands on the part's middle, inside ``length``.

    Returns:
        int64 P: the first and the last start in each part, both included.
    """
    edges = np.arange(num_parts + 1) * length // num_parts
    spare_P = np.diff(edges) - size
    low_P = edges[:-1] + np.minimum(spare_P // 2, 0)
    high_P = low_P + np.maximum(spare_P, 0)
    last_start = max(0, length - size)
    return np.clip(low_P, 0, last_start), np.clip(high_P, 0, last_start)


def places(low: np.ndarray, high: np.ndarray, generator: np.random.Generator | None) -> np.ndarray:
    """A random number in each range ``low..high``, or without a generator its middle: int64."""
    if generator is None:
        return low + (high - low) // 2
    return generator.integers(low, high + 1)


def thinned(num_times: int, num_boxes: int, num_kept: int) -> np.ndarray:
    """Which of ``num_times`` x ``num_boxes`` pieces to keep so that time and space are covered.

    The kept ones are spread evenly over time, and go through the boxes in turn.

    Returns:
        int64, ascending distinct numbers (time by time), ``num_kept`` or all if there are fewer.
    """
    if num_kept >= num_times * num_boxes:
        return np.arange(num_times * num_boxes)
    turn = np.arange(num_kept)
    return np.sort(turn * num_times // num_kept * num_boxes + (turn + num_boxes // 2) % num_boxes)


class Axis(NamedTuple):
    """One direction in which pieces are placed.

    Attributes:
        length: of the whole.
        size: of a piece.
        step: from one piece to the next; None: there is one, in the middle.
    """

    length: int
    size: int
    step: int | None

    @property
    def last_start(self) -> int:
        return max(0, self.length - self.size)

    def grid(self) -> np.ndarray:
        """Starts at multiples of the step, and the last one: int64."""
        if self.step is None:
            return np.array([self.last_start // 2])
        return grid_starts(self.last_start, self.step)

    def cells(self) -> tuple[np.ndarray, np.ndarray]:
        """The first and the last start inside each of equal cells of at least the step: int64."""
        if self.step is None:
            return self.grid(), self.grid()
        return part_ranges(self.length, max(1, self.length // self.step), self.size)

    def anywhere(self) -> tuple[int, int]:
        """The first and the last start that there is."""
        if self.step is None:
            return self.last_start // 2, self.last_start // 2
        return 0, self.last_start
