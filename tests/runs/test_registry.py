"""Finished runs are found by what they computed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stfw.runs.registry import Registry


def write(folder: Path, **record: Any) -> Path:
    folder.mkdir(parents=True)
    whole = {"status": "finished", "config_fingerprint": "f", "ended": "2026-01-01", **record}
    (folder / "run.json").write_text(json.dumps(whole))
    return folder


def test_the_newest_finished_run_of_a_configuration_counts(tmp_path: Path) -> None:
    write(tmp_path / "a" / "old", ended="2026-01-01")
    newest = write(tmp_path / "b" / "new", ended="2026-01-02")
    write(tmp_path / "b" / "failed", ended="2026-01-03", status="failed")
    write(tmp_path / "b" / "other", ended="2026-01-04", config_fingerprint="g")
    found = Registry(tmp_path).find("f", [])
    assert found is not None
    assert found.path == newest


def test_the_same_overrides_find_a_run_of_older_configs(tmp_path: Path) -> None:
    write(tmp_path / "a", overrides=["model=c3d", "seed=1", "runs_dir=x", "name=y", "resume=auto"])
    registry = Registry(tmp_path)
    assert registry.find("new", ["seed=1", "model=c3d", "output_dir=z"]) is not None
    assert registry.find("new", ["seed=2", "model=c3d"]) is None
    assert registry.find("new", []) is None


def test_runs_without_overrides_on_record_are_no_default_runs(tmp_path: Path) -> None:
    write(tmp_path / "a")
    assert Registry(tmp_path).find("new", []) is None


def test_damaged_records_and_absent_folders_are_left_out(tmp_path: Path) -> None:
    folder = write(tmp_path / "a")
    (folder / "run.json").write_text("{")
    assert Registry(tmp_path).find("f", []) is None
    assert Registry(tmp_path / "nowhere").find("f", []) is None


def test_hours_from_start_to_end(tmp_path: Path) -> None:
    times = {"started": "2026-01-01T10:00:00+00:00", "ended": "2026-01-01T11:30:00+00:00"}
    write(tmp_path / "a", **times)
    write(tmp_path / "b", config_fingerprint="g", ended=None)
    registry = Registry(tmp_path)
    found, unknown = registry.find("f", []), registry.find("g", [])
    assert found is not None
    assert unknown is not None
    assert found.hours == pytest.approx(1.5)
    assert unknown.hours is None


def test_hours_leave_out_the_time_that_a_run_lay_still(tmp_path: Path) -> None:
    times = {"started": "2026-01-01T10:00:00+00:00", "ended": "2026-01-01T14:00:00+00:00"}
    write(tmp_path / "a", **times)
    write(tmp_path / "b", **times, config_fingerprint="g", paused_sec=3600 * 3)
    found = [Registry(tmp_path).find(key, []) for key in "fg"]
    assert [run and run.hours for run in found] == [4, 1]
