"""Places along an axis."""

from __future__ import annotations

import numpy as np
import pytest

from stfw.sampling.grids import (
    Axis,
    grid_starts,
    part_ranges,
    places,
    segment_starts,
    thinned,
)


def test_the_grid_keeps_the_end() -> None:
    assert grid_starts(980, 20).tolist() == list(range(0, 1000, 20))
    assert grid_starts(990, 20).tolist() == [*range(0, 1000, 20), 990]
    assert grid_starts(0, 7).tolist() == [0]
    assert grid_starts(5, 7).tolist() == [0, 5]


def test_parts_by_hand() -> None:
    low_P, high_P = part_ranges(100, 4, 5)
    assert (low_P.tolist(), high_P.tolist()) == ([0, 25, 50, 75], [20, 45, 70, 95])
    low_P, high_P = part_ranges(10, 4, 2)  # parts 0-1, 2-4, 5-6, 7-9
    assert (low_P.tolist(), high_P.tolist()) == ([0, 2, 5, 7], [0, 3, 5, 8])


def test_a_piece_longer_than_its_part_stands_on_the_parts_middle() -> None:
    low_P, high_P = part_ranges(12, 4, 5)  # parts of 3: one frame over on either side
    assert low_P.tolist() == high_P.tolist() == [0, 2, 5, 7]


def test_pieces_stay_in_their_parts_and_in_the_whole() -> None:
    for length in range(1, 60):
        for num_parts in (1, 2, 3, 7, 20):
            for size in (1, 3, 8, 30):
                low_P, high_P = part_ranges(length, num_parts, size)
                assert len(low_P) == num_parts
                assert (low_P <= high_P).all()
                assert low_P[0] >= 0
                assert high_P[-1] + size <= max(length, size)
                edges = [length * part // num_parts for part in range(num_parts + 1)]
                for part, (low, high) in enumerate(zip(low_P, high_P, strict=True)):
                    if edges[part + 1] - edges[part] >= size:
                        assert (low, high + size) == (edges[part], edges[part + 1])


def test_segment_starts_never_leave_even_when_the_share_is_rounded_up() -> None:
    shares = np.array([[1 - 2**-53]])
    assert segment_starts(7, 3, shares).max() == 6


def test_places_reach_both_ends() -> None:
    low, high = np.full(400, 3), np.full(400, 5)
    assert set(places(low, high, np.random.default_rng(0)).tolist()) == {3, 4, 5}
    assert set(places(low, high, None).tolist()) == {4}


@pytest.mark.parametrize("num_kept", [1, 2, 5, 6, 7, 10, 11, 40, 59, 60, 100])
def test_thinning_keeps_distinct_pieces_spread_over_time_and_space(num_kept: int) -> None:
    kept = thinned(10, 6, num_kept)
    assert len(kept) == len(set(kept.tolist())) == min(num_kept, 60)
    assert (np.diff(kept) > 0).all()
    assert kept[0] >= 0
    assert kept[-1] < 60
    per_time, per_box = np.bincount(kept // 6, minlength=10), np.bincount(kept % 6, minlength=6)
    assert per_time.max() - per_time.min() <= 1
    assert per_box.max() - per_box.min() <= 1


def test_an_axis_without_step_has_one_place_in_the_middle() -> None:
    axis = Axis(100, 40, None)
    assert axis.grid().tolist() == [30]
    assert axis.anywhere() == (30, 30)
    assert [bounds.tolist() for bounds in axis.cells()] == [[30], [30]]
