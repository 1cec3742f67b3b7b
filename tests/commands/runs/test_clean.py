"""``stfw runs clean``: what it would delete, what it deletes, and what it never does."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path
from typing import Any

import pytest

from tests.commands.runs.conftest import Call, write_run


def there(runs: Path) -> set[str]:
    return {path.parent.name[-6:] for path in (runs / "runs").rglob("run.json")}


def doomed(stfw: Call, *words: str) -> dict[str, dict[str, Any]]:
    status, told, error = stfw("runs", "clean", *words, "--json")
    assert status == 0, error
    return {Path(row["run"]).name[-6:]: row for row in json.loads(told)}


def test_nothing_is_deleted_unless_it_is_asked_for(stfw: Call, runs: Path) -> None:
    before = there(runs)
    status, told, _ = stfw("runs", "clean")
    assert status == 0
    assert told.splitlines()[-1].startswith("would delete 2 runs, ")
    assert there(runs) == before


def test_failed_and_interrupted_runs_go_and_finished_ones_stay(stfw: Call, runs: Path) -> None:
    found = doomed(stfw)
    assert {name: row["why"] for name, row in found.items()} == {
        "dddddd": "failed and empty",
        "loose": "interrupted",
    }
    num_bytes = sum(p.stat().st_size for p in (runs / "runs" / "loose").rglob("*") if p.is_file())
    assert found["loose"]["num_bytes"] == num_bytes
    _, told, _ = stfw("runs", "clean", "--yes")
    assert told.splitlines()[-1].startswith("deleted 2 runs, ")
    assert there(runs) == {"aaaaaa", "bbbbbb", "cccccc"}
    assert not (runs / "runs" / "loose").exists()


def test_finished_runs_go_only_where_the_filter_says_so(stfw: Call, runs: Path) -> None:
    assert set(doomed(stfw, "model=c3d,i3d")) == {"dddddd", "loose"}
    assert set(doomed(stfw, "status=finished and model=c3d")) == {"aaaaaa", "bbbbbb"}
    status, _, error = stfw("runs", "clean", "aaaaaa", "--yes")
    assert status == 2
    assert "this run is finished" in error
    assert "aaaaaa" in there(runs)
    stfw("runs", "clean", "aaaaaa", "status=finished", "--yes")
    assert "aaaaaa" not in there(runs)


def test_checkpoints_beside_the_best(stfw: Call, runs: Path) -> None:
    found = doomed(stfw, "what=not_best")
    assert set(found) == {"aaaaaa", "bbbbbb", "cccccc"}
    assert found["aaaaaa"]["num_bytes"] == 500
    stfw("runs", "clean", "what=not_best", "--yes")
    folder = next((runs / "runs").rglob("*aaaaaa")) / "checkpoints"
    assert {path.name for path in folder.iterdir()} == {"best.ckpt", "best.ckpt.sha256"}
    assert (runs / "runs" / "loose" / "checkpoints" / "last.ckpt").is_file()  # to go on from
    assert doomed(stfw, "what=checkpoints", "id=aaaaaa")["aaaaaa"]["num_bytes"] == 1010


def test_the_last_checkpoint_stays_where_there_is_no_best(stfw: Call, runs: Path) -> None:
    folder = next((runs / "runs").rglob("*aaaaaa")) / "checkpoints"
    (folder / "best.ckpt").unlink()
    assert "aaaaaa" not in doomed(stfw, "what=not_best")


def test_only_old_ones(stfw: Call, runs: Path) -> None:
    from datetime import datetime, timedelta, timezone

    young = (datetime.now(timezone.utc) - timedelta(hours=5)).isoformat()
    write_run(runs / "runs" / "young1", None, 0.1, status="failed", started=young)
    assert "young1" in doomed(stfw)
    assert "young1" in doomed(stfw, "older=4h")
    assert "young1" not in doomed(stfw, "older=6h")
    assert "write a number and m, h, d or w" in stfw("runs", "clean", "older=30")[2]


def test_a_run_at_work_is_never_touched(stfw: Call, runs: Path) -> None:
    mine = {"host": platform.node(), "pid": os.getpid()}
    write_run(runs / "runs" / "atwork", 0.5, 0.1, status="running", process=mine)
    far = {"host": "elsewhere", "pid": 1}
    write_run(runs / "runs" / "remote", 0.5, 0.1, status="running", process=far)
    for words in (["status=running"], ["what=checkpoints", "status=running"], []):
        stfw("runs", "clean", *words, "--yes")
        assert {"atwork", "remote"} <= there(runs)
        assert (runs / "runs" / "atwork" / "checkpoints" / "last.ckpt").is_file()
    assert "this run is at work" in stfw("runs", "clean", "atwork", "--yes")[2]


@pytest.mark.parametrize("word", ["./stranger", "runs/c3d_toy", ".."])
def test_a_folder_that_is_no_run_is_refused(stfw: Call, runs: Path, word: str) -> None:
    (runs / "stranger").mkdir()
    (runs / "stranger" / "thesis.tex").write_text("ten years")
    status, _, error = stfw("runs", "clean", word, "--yes")
    assert status == 2
    assert "is no run" in error
    assert (runs / "stranger" / "thesis.tex").is_file()


def test_links_out_of_a_run_are_not_followed(stfw: Call, runs: Path) -> None:
    (runs / "precious").mkdir()
    (runs / "precious" / "file").write_text("kept")
    (runs / "runs" / "loose" / "link").symlink_to(runs / "precious")
    stfw("runs", "clean", "--yes")
    assert not (runs / "runs" / "loose").exists()
    assert (runs / "precious" / "file").is_file()
