"""Speeds of the loader, the step and both; the choice between settings; what bounds the run."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from stfw.commands.tune._trial import prepare
from stfw.commands.tune.loader import Speed, fastest, measure, verdict, worker_numbers
from tests.command_line import TINY

Call = Callable[..., tuple[int, str, str]]


def speed(num_workers: int = 1, first: float = 0.1, **rates: float) -> Speed:
    given = {"reading": 100.0, "step": 100.0, "both": 90.0} | rates
    return Speed(num_workers, 2, first, given["reading"], given["step"], given["both"])


def test_from_the_command_line(stfw: Call) -> None:
    words = ["--workers", "0,1", "--prefetch", "1,2", "--sec", "0.1"]
    status, told, error = stfw("tune", "loader", *TINY, *words)
    assert status == 0, error
    lines = told.strip().splitlines()
    first, head, *rows, bound, last = lines[next(i for i, t in enumerate(lines) if "16 tr" in t) :]
    assert first.startswith("16 training videos in batches of 4, ")
    assert head.split()[-3:] == ["loader", "step", "together"]
    assert rows[0].startswith("0 workers ")
    assert rows[1].startswith("1 worker, prefetch 1 ")
    for row in rows:
        *_, reading, step, both = map(float, row.split(" s", 1)[1].split())
        assert min(reading, step, both) > 0
    assert "bound" in bound
    one = "data.num_workers=1 data.prefetch_factor="
    assert last in ("data.num_workers=0", f"{one}1", f"{one}2")


def test_slow_videos_are_what_bounds() -> None:
    trial = prepare(TINY)
    decode = trial.data.decode

    def slow(*given: Any) -> Any:
        time.sleep(0.1)
        return decode(*given)

    trial.data.decode = slow
    steps: dict[int, float] = {}
    seen = measure(trial, 0, 2, 0.5, steps)
    assert 0 < seen.both <= seen.reading <= 10.0  # a tenth of a second each
    assert list(steps.values()) == [seen.step]
    assert seen.step > 10.0
    assert "reading the videos bounds the run" in verdict(seen, 1000, on_gpu=False)


def test_more_workers_must_pay() -> None:
    few, many = speed(1, both=100.0), speed(4, both=103.0)
    assert fastest([few, many], 10_000) is few
    assert fastest([few, speed(4, both=150.0)], 10_000).num_workers == 4
    # a short run is over before they have started
    assert fastest([speed(0, 0.0, both=50.0), speed(4, 10.0, both=500.0)], 100).num_workers == 0


@pytest.mark.parametrize(
    ("seen", "on_gpu", "said"),
    [
        (speed(reading=50.0, both=50.0), True, "reading the videos bounds the run"),
        (speed(reading=400.0, both=98.0), True, "the network bounds the run"),
        (speed(reading=400.0, both=60.0), False, "the cores bound the run"),
        (speed(reading=60.0, both=58.0), False, "reading the videos bounds the run"),
        (speed(0, reading=60.0, both=37.0), False, "reading the videos bounds the run"),
        (speed(first=5000.0, reading=400.0), True, "the start of the workers bounds"),
    ],
)
def test_what_bounds_is_named(seen: Speed, on_gpu: bool, said: str) -> None:
    assert said in verdict(seen, 1_000_000, on_gpu)


def test_numbers_follow_the_cores() -> None:
    assert worker_numbers(1) == [0, 1]
    assert worker_numbers(2) == [0, 1, 2]
    assert worker_numbers(12) == [0, 1, 2, 4, 8, 12]
    assert worker_numbers(128) == [0, 1, 2, 4, 8, 16]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--workers", "2,x"], "--workers 2,x: give whole numbers"),
        (["--workers", "-1"], "-1 is below 0"),
        (["--prefetch", "0"], "--prefetch 0: 0 is below 1"),
        (["--sec", "0"], "--sec 0 must be above 0"),
        (["data.num_worker=1"], "data.num_worker: no such key; did you mean 'num_workers'?"),
    ],
)
def test_mistakes_are_named(stfw: Call, words: list[str], message: str) -> None:
    words = [f"{words[0]}={words[1]}"] if words[0] == "--workers" else words
    status, _, told = stfw("tune", "loader", *words)
    assert status == 2
    assert message in told
