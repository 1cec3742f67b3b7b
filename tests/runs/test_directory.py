"""What ``run.json`` takes, and how runs are told to belong together."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stfw.runs.directory import GROUP, RunDir, command_line, in_group


def test_a_record_has_no_secrets_and_keeps_the_names_of_classes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["stfw", "train", "data.token=hush hush", "seed=1"])
    monkeypatch.setenv("MY_PASSWORD", "hunter2")
    run = RunDir(tmp_path)
    run.update(
        command=command_line(),
        reason="s3://me:pw@host refused hunter2",
        data={"per_class": {"typing a password": 150}},
    )
    run.update(data={"fingerprint": "feed"})
    assert run.read() == {
        "command": "stfw train 'data.token=***' seed=1",
        "reason": "s3://***@host refused ***",
        "data": {"per_class": {"typing a password": 150}, "fingerprint": "feed"},
    }


def test_a_group_reaches_the_processes_that_are_started_within_and_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(GROUP, raising=False)
    ask = [sys.executable, "-c", f"import os; print(os.environ.get('{GROUP}'))"]
    with in_group("table-a"), in_group("multirun-b"):  # the larger one counts
        assert subprocess.run(ask, capture_output=True, text=True).stdout == "table-a\n"
    assert GROUP not in os.environ


def test_a_run_is_silent_since_its_newest_sign_of_life(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    assert run.silent_sec() == 0
    run.update(status="running")
    os.utime(run.record_path, (0, time.time() - 500))
    assert 499 < run.silent_sec() < 600
    (tmp_path / "metrics.csv").touch()
    os.utime(tmp_path / "metrics.csv", (0, time.time() - 100))
    assert 99 < run.silent_sec() < 200
