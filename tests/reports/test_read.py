"""Reading a run directory: what counts as absent, and what is struck out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from stfw.redact import redact_text
from stfw.reports.read import read_run


def test_an_empty_folder_is_a_run_of_absences(tmp_path: Path) -> None:
    run = read_run(tmp_path)
    names = {"run.json", "metrics.csv", "predictions.csv", "config.yaml", "overrides.txt"}
    assert set(run.absent) == names
    assert run.predictions is None
    assert run.epochs == []


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("run.json", '{"name": "cut of'),
        ("run.json", "[1, 2]"),
        ("predictions.csv", "video_id,path,label,predicted\na,b,0,0\n"),
        ("predictions.csv", "video_id,path,label,predicted,score/a\na,b,0,1,0.5\n"),
        ("predictions.csv", "video_id,path,label,predicted,score/a,score/b\na,b,0,1\n"),
        ("predictions.csv", ""),
    ],
)
def test_a_damaged_file_is_a_sentence(
    make_run: Callable[..., Path], name: str, content: str
) -> None:
    path = make_run()
    (path / name).write_text(content)
    assert read_run(path).absent[name].startswith(f"{name} could not be read: ")


def test_empty_and_odd_metrics_are_left_out(make_run: Callable[..., Path]) -> None:
    path = make_run()
    (path / "metrics.csv").write_text("epoch,lr,val/top1\n4,0.1,\n5,what,0.5\n")
    assert read_run(path).epochs == [{"epoch": 4, "lr": 0.1}, {"epoch": 5, "val/top1": 0.5}]


def test_most_wrong_come_most_confident_first(make_run: Callable[..., Path]) -> None:
    predictions = read_run(make_run()).predictions
    assert predictions is not None
    assert predictions.most_wrong(2) == [6, 3]
    assert predictions.most_wrong(9) == [6, 3, 7]
    assert predictions.true_score_B[6] == 0.03


def test_secrets_are_struck_out_and_nothing_else() -> None:
    assert redact_text("logger:\n  api_key: abc\n") == "logger:\n  api_key: ***\n"
    assert redact_text("wandb_token=abc x=1") == "wandb_token=*** x=1"
    assert redact_text("url: https://me:pw@host/x") == "url: https://***@host/x"
    kept = "num_tokens: 5\nsecret: null\nkey: 3\ntokens=7\n"
    assert redact_text(kept) == kept
