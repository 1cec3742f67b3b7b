"""Means, spreads and verdicts against arithmetic."""

from __future__ import annotations

import pytest

from stfw.reports.verdicts import Summary, against_published, compare, summarise


def test_the_spread_of_one_key_is_the_standard_deviation() -> None:
    found = summarise({(0,): 0.5, (1,): 0.7, (2,): 0.6})
    assert found == Summary(pytest.approx(0.6), pytest.approx(0.1), 3, 3)
    assert str(found) == "0.600 ± 0.100"


def test_folds_are_averaged_before_seeds_are_compared() -> None:
    values = {(seed, fold): seed / 10 + fold for seed in (0, 1) for fold in (0, 1, 2)}
    found = summarise(values)
    assert found.mean == pytest.approx(1.05)
    assert found.spread == pytest.approx(0.1 / 2**0.5)  # of 1.0 and 1.1; not of the folds


def test_with_one_seed_the_spread_is_over_the_folds() -> None:
    assert summarise({(0, 0): 1.0, (0, 1): 3.0}).spread == pytest.approx(2**0.5)


def test_what_is_missing_is_said() -> None:
    found = summarise({(0,): 0.5, (1,): None})
    assert (found.mean, found.spread, found.complete) == (0.5, None, False)
    assert str(found) == "0.500 (1 of 2)"
    assert str(summarise({(0,): None})) == "–"


@pytest.mark.parametrize(
    ("mean", "spread", "word"),
    [(0.845, 0.0, "reproduced"), (0.80, 0.03, "within noise"), (0.80, 0.01, "off")],
)
def test_status_beside_a_published_value(mean: float, spread: float, word: str) -> None:
    assert against_published(Summary(mean, spread, 3, 3), 0.85, tolerance=0.01) == word
    assert against_published(Summary(mean, spread, 1, 3), 0.85, tolerance=0.01) == "incomplete"


def test_a_claim_holds_where_the_difference_exceeds_every_spread() -> None:
    better, low, high = (Summary(m, s, 3, 3) for m, s in ((0.8, 0.02), (0.2, 0.3), (0.7, 0.01)))
    assert compare(better, [high], None)[0] == "confirmed"
    assert compare(better, [low, high], None) == (
        "refuted",
        "0.8 against 0.7, spread 0.300",
    )
    assert compare(better, [high], by=0.08)[0] == "confirmed"
    assert compare(better, [high], by=0.15)[0] == "refuted"


def test_lower_is_better_where_the_claim_says_so() -> None:
    small, large = Summary(1.0, None, 1, 1), Summary(2.0, None, 1, 1)
    assert compare(small, [large], None, lower=True)[0] == "confirmed"
    assert compare(large, [small], None, lower=True)[0] == "refuted"


def test_an_incomplete_row_gives_no_verdict() -> None:
    assert compare(Summary(0.9, None, 1, 3), [Summary(0.1, 0.0, 3, 3)], None)[0] == "not run"
