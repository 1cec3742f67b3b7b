"""The overhead's measurement: both loops do the same work, and a missed target is named."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.tool import load_tool


@pytest.fixture(scope="module")
def bench() -> Any:
    return load_tool("bench_overhead")


def test_both_loops_learn_the_same(bench: Any) -> None:
    threads = torch.get_num_threads()
    try:
        cpu, wall, (ours, bare) = bench.paired_steps(2, bench.WARM + 4)
    finally:
        torch.set_num_threads(threads)
    assert len(cpu) == len(wall) == 3
    assert min(min(pair) for pair in wall) > 0
    assert next(ours.network.parameters()).grad is not None
    one, other = ours.network.state_dict(), bare.network.state_dict()
    assert all(torch.allclose(one[name], other[name], atol=1e-6) for name in one)


def test_the_quiet_moments_count(bench: Any) -> None:
    wall = [(9.0, 9.0), (2.0, 1.0), (5.0, 5.0), (8.0, 8.0), (2.0, 2.0)]
    assert bench.quiet(wall, wall) == [(2.0, 1.0), (2.0, 2.0)]


def test_a_missed_target_is_named(bench: Any) -> None:
    good = {"cpu_ratio": 1.04, "wall_ratio": 1.04, "cpu_added_ms": 2.0, "wall_added_ms": 2.0}
    rows = {"step of 50 ms": good, "short step": good | {"cpu_ratio": 1.5}, "start": good}
    assert bench.judge(rows) == []
    rows["step of 50 ms"] = good | {"wall_ratio": 1.06}
    rows["short step"] = good | {"cpu_added_ms": 3.1}
    rows["start"] = good | {"wall_ratio": 1.6}
    assert bench.judge(rows) == [
        "step of 50 ms: wall ratio 1.060 > 1.05",
        "short step: cpu added ms 3.100 > 3.0",
        "start: wall ratio 1.600 > 1.5",
    ]


def test_wall_time_is_judged_where_the_machine_was_free(bench: Any) -> None:
    row = {"cpu_ratio": 1.0, "wall_ratio": 1.2, "cpu_added_ms": 0.0, "wall_added_ms": 9.0}
    free, busy = ({"cpu_bare_ms": 50.0, "wall_bare_ms": wall} | row for wall in (52.0, 90.0))
    assert len(bench.judge({"step of 50 ms": free})) == 2
    assert bench.judge({"step of 50 ms": busy}) == []
