"""``tools/bench_scaling.py``: it measures real runs, and names the row that is below the target."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.command_line import TINY
from tests.tool import load_tool


@pytest.fixture(scope="module")
def bench() -> Any:
    return load_tool("bench_scaling")


def test_processes_double_up_to_the_gpus_or_else_the_cores(bench: Any) -> None:
    assert bench.counts(8, 2) == [1, 2, 4, 8]
    assert bench.counts(0, 6) == [1, 2, 4]
    assert bench.counts(1, 16) == [1]


def test_a_run_is_measured_and_a_missed_target_is_named(
    bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "rows.json"
    words = [word for word in TINY if not word.startswith("trainer")]
    own = ["--processes", "1", "--rounds", "1", "--target", "1.5", "--json", str(file)]
    monkeypatch.setattr(sys, "argv", ["bench_scaling.py", *own, *words])
    assert bench.main() == 1
    told = capsys.readouterr()
    assert "missed: 1 processes: efficiency 1.00, wanted at least 1.5" in told.err
    (row,) = json.loads(file.read_text())["rows"]
    assert row["processes"] == row["efficiency"] == 1
    assert row["clips_per_sec"] > 0
    assert 0 <= row["wait_share"] <= 1
    assert f"| 1 | {row['clips_per_sec']:.1f} | 1.00 |" in told.out


def test_more_processes_than_there_are_places_are_refused(
    bench: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    many = len(os.sched_getaffinity(0)) + 1
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    monkeypatch.setattr(sys, "argv", ["bench_scaling.py", "--processes", str(many)])
    with pytest.raises(SystemExit) as left:
        bench.main()
    assert left.value.code == 2
    assert f"--processes {many}: there are {many - 1} cores" in capsys.readouterr().err
