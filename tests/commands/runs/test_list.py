"""``stfw runs list``, ``best`` and ``tag`` on run folders made by hand."""

from __future__ import annotations

import csv
import io
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.commands.runs.conftest import Call, write_run


def listed(stfw: Call, *words: str) -> list[dict[str, Any]]:
    status, told, error = stfw("runs", "list", *words, "--json")
    assert status == 0, error
    return json.loads(told)


def ids(stfw: Call, *words: str) -> list[str]:
    return [run["id"] for run in listed(stfw, *words)]


def test_all_runs_oldest_first_and_the_count_last(stfw: Call, runs: Path) -> None:
    status, told, _ = stfw("runs", "list")
    lines = told.strip().splitlines()
    assert status == 0
    assert lines[-1] == "5 of 5 runs"
    found = [line.rpartition("/")[2].rpartition("-")[2] for line in lines[1:6]]
    assert found == ["aaaaaa", "bbbbbb", "cccccc", "dddddd", "loose"]
    assert lines[0].split()[:4] == ["date", "status", "model", "data"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["model=i3d and val/top1>0.8"], ["cccccc"]),
        (["model=c3d", "optimizer.lr<0.05"], ["bbbbbb"]),
        (["optimizer.lr=0.01", "not status=failed"], ["bbbbbb", "cccccc"]),
        (["optimizer.betas=0.9 and optimizer.betas.1>0.99", "id=aaaaaa"], ["aaaaaa"]),
        (["git.commit=0123456789 and versions.torch~2.9 and date>=2026-01-05"], ["loose"]),
        (["hours>2"], ["cccccc"]),
        (["name=i3d*"], ["cccccc", "dddddd"]),
        (["reason~memory"], ["dddddd"]),
        (["val/top1>0", "sort=-val/top1", "limit=2"], ["cccccc", "bbbbbb"]),
        (["sort=val/top1"], ["aaaaaa", "loose", "bbbbbb", "cccccc", "dddddd"]),
        (["limit=1"], ["loose"]),
    ],
)
def test_filters_and_order(stfw: Call, runs: Path, words: list[str], expected: list[str]) -> None:
    assert ids(stfw, *words) == expected


def test_columns_are_any_keys(stfw: Call, runs: Path) -> None:
    status, told, _ = stfw("runs", "list", "columns=optimizer.lr,num_none,val/top1", "--csv")
    assert status == 2  # one of them is no key
    status, told, _ = stfw("runs", "list", "columns=optimizer.lr,val/top1", "--csv")
    rows = list(csv.DictReader(io.StringIO(told)))
    assert [(row["optimizer.lr"], row["val/top1"]) for row in rows][-2:] == [
        ("0.01", ""),
        ("0.3", "0.6"),
    ]


def test_scores_of_a_run_that_did_not_finish_are_its_last_epoch_s(stfw: Call, runs: Path) -> None:
    folder = write_run(runs / "runs" / "killed", 0.4, 0.1, status="running")
    record = json.loads((folder / "run.json").read_text())
    del record["metrics"]
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    record["process"] = {"host": platform.node(), "pid": gone.pid}
    (folder / "run.json").write_text(json.dumps(record))
    (run,) = listed(stfw, "status=killed")
    assert run["metrics"]["val/top1"] == 0.4
    record["process"]["pid"] = os.getpid()
    (folder / "run.json").write_text(json.dumps(record))
    assert ids(stfw, "status=running") == ["killed"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["optmizer.lr=1"],
            "optmizer.lr: none of the 5 runs has this key; did you mean 'optimizer.lr'?",
        ),
        (["mdoel=i3d"], "did you mean 'model'?"),
        (["sort=val/top"], "did you mean 'val/top1'?"),
        (["runs_dir=nowhere"], "runs_dir=nowhere: there is no such folder"),
        (["limit=none"], "limit=none must be a whole number"),
        (["--jsno"], "--jsno: no such flag; did you mean '--json'?"),
        (["--json", "--csv"], "choose one"),
        (["model=i3d and"], "cannot be read"),
    ],
)
def test_mistakes(stfw: Call, runs: Path, words: list[str], said: str) -> None:
    status, _, error = stfw("runs", "list", *words)
    assert status == 2
    assert said in error
    assert len(error.splitlines()) == 1


def test_a_damaged_record_costs_no_other_run(stfw: Call, runs: Path) -> None:
    (runs / "runs" / "loose" / "run.json").write_text('{"status": "fini')
    assert len(listed(stfw)) == 4


def test_best(stfw: Call, runs: Path) -> None:
    _, told, _ = stfw("runs", "best")
    assert told == "test/top1 0.800  runs/i3d_toy/2026-01-03_12-00-00-cccccc\n"
    _, told, _ = stfw("runs", "best", "model=c3d", "metric=val/top1", "top=2")
    assert told.splitlines()[-1].startswith("val/top1 0.700  runs/c3d_toy/")
    assert len(told.splitlines()) == 4
    _, told, _ = stfw("runs", "best", "metric=val/loss")  # of losses the lowest
    assert told.startswith("val/loss 0.100  ")
    status, _, error = stfw("runs", "best", "metric=test/top")
    assert (status, "did you mean 'test/top1'?" in error) == (2, True)
    status, _, error = stfw("runs", "best", "status=failed")
    assert (status, "none of the 1 runs has it" in error) == (2, True)


def test_tags_are_given_taken_and_found(stfw: Call, runs: Path) -> None:
    assert stfw("runs", "tag", "cccccc", "good", "paper")[1].startswith("tags good, paper  runs/")
    stfw("runs", "tag", "runs/loose", "good")
    assert ids(stfw, "tag=good") == ["cccccc", "loose"]
    stfw("runs", "tag", "2026-01-03", "-good", "x-1")
    assert ids(stfw, "tag=good") == ["loose"]
    assert ids(stfw, "tag=paper,none and tag!=good") == ["cccccc"]
    assert stfw("runs", "tag", "cccccc")[1].startswith("tags paper, x-1  ")
    record = json.loads(next((runs / "runs").rglob("*cccccc/run.json")).read_text())
    assert record["metrics"]["val/top1"] == 0.9  # all else stays


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["zzzzzz"], "there is no such run below runs"),
        (["ccccc1"], "did you mean 'cccccc'?"),
        (["c3d_toy"], "c3d_toy names 2 runs (c3d_toy/2026-01-01"),
        (["./runs"], "this folder is no run"),
        (["cccccc", "two words"], "a tag is one word"),
        (["cccccc", "-bad"], "the run has no such tag (it has: none)"),
        (["-bad"], "name a run first"),
    ],
)
def test_runs_and_tags_that_are_not_there(
    stfw: Call, runs: Path, words: list[str], said: str
) -> None:
    status, _, error = stfw("runs", "tag", *words)
    assert status == 2
    assert said in error


def test_help_and_unknown_tools(stfw: Call) -> None:
    from stfw.commands.runs import TOOLS

    assert all(tool in stfw("runs")[1] for tool in TOOLS)
    for tool in TOOLS:
        assert stfw("runs", tool, "--help")[1].startswith(f"usage: stfw runs {tool}")
    assert "did you mean 'list'?" in stfw("runs", "liszt")[2]


@pytest.mark.parametrize(
    "words", [["list"], ["explain", "optimizer.lr"], ["diff", "aaaaaa", "bbbbbb"]]
)
def test_torch_stays_away(runs: Path, words: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "stfw", "runs", *words],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-500:]
    names = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "stfw.runs.entry" in names
    assert not {"torch", "pytorch_lightning", "numpy", "matplotlib"} & names or (
        words[0] == "explain" and "torch" not in names
    )
