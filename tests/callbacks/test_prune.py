"""A trial that is worse than the others after an epoch ends there."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest

from stfw.runs.study import PRUNED_AFTER, StudyFolder
from tests.command_line import TINY

Call = Callable[..., tuple[int, str, str]]
PRUNERS = {
    "none": {"method": "none"},
    "median": {"method": "median", "num_startup": 2, "min_epochs": 1},
    "hyperband": {"method": "hyperband", "min_epochs": 1, "max_epochs": 3, "reduction": 3},
}


def make_study(path: Path, pruner: str, others: float) -> StudyFolder:
    """A study with trials of ``others`` in every epoch, and one that runs."""
    folder = StudyFolder(path)
    path.mkdir()
    with folder.locked():
        folder.create(["maximize"], {"pruner": PRUNERS[pruner]})
        study = folder.load()
        for _ in range(4):
            trial = study.ask()
            for epoch in (1, 2, 3):
                trial.report(others, epoch)
                trial.should_prune()  # Hyperband notes its rungs when it is asked
            study.tell(trial, others)
        study.ask()
    return folder


@pytest.mark.parametrize(
    ("pruner", "others", "epochs"),
    [("median", 1.1, 1), ("median", -1.0, 3), ("none", 1.1, 3)],
)
def test_the_pruner_decides_after_an_epoch(
    pruner: str, others: float, epochs: int, tmp_path: Path, stfw: Call
) -> None:
    """Accuracy lies below 1.1 and above -1, whatever the run learns."""
    folder = make_study(tmp_path / "s", pruner, others)
    status, _, err = stfw(
        *("train", *TINY, "trainer.max_epochs=3", "trainer.limit_train_batches=1", "test=false"),
        f"output_dir={tmp_path}/run",
        f"+callbacks.prune={{_target_:stfw.callbacks.prune.Prune,study:'{tmp_path}/s',trial:4}}",
    )
    assert status == 0, err
    rows = list(csv.DictReader((tmp_path / "run/metrics.csv").open()))
    assert len(rows) == epochs
    with folder.locked():
        trial = folder.load().trials[4]
    told = {int(row["epoch"]) + 1: float(row["val/top1"]) for row in rows}
    assert trial.intermediate_values == pytest.approx(told)
    assert trial.user_attrs.get(PRUNED_AFTER) == (1 if epochs == 1 else None)


def test_hyperband_ends_the_worse_of_a_rung(tmp_path: Path) -> None:
    folder = make_study(tmp_path / "s", "hyperband", 1.0)
    with folder.locked():
        study = folder.load()
        assert isinstance(study.pruner, optuna.pruners.HyperbandPruner)
        ended = []
        for value in (0.5, 2.0):
            for _ in range(8):  # some of them fall into the bracket that is judged at epoch 1
                trial = study.ask()
                trial.report(value, 1)
                ended.append((value, trial.should_prune()))
                study.tell(trial, value)
    assert any(pruned for value, pruned in ended if value < 1)
    assert not any(pruned for value, pruned in ended if value > 1)


def test_a_score_that_there_is_not_is_told(tmp_path: Path, stfw: Call) -> None:
    make_study(tmp_path / "s", "median", 1.0)
    callback = f"_target_:stfw.callbacks.prune.Prune,study:'{tmp_path}/s',trial:4,monitor:val/top7"
    status, _, err = stfw(
        *("train", *TINY, "trainer.limit_train_batches=1", f"output_dir={tmp_path}/run"),
        f"+callbacks.prune={{{callback}}}",
    )
    assert status == 2
    assert "val/top7" in err
    assert "val/top1" in err
    assert json.loads((tmp_path / "run/run.json").read_text())["status"] == "failed"
