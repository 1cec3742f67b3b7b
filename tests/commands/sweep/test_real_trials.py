"""Trials of ``stfw sweep`` that train: two ranks with one set of parameters, and one cut short."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from stfw.commands.sweep import open_study
from stfw.commands.sweep.spec import read_sweep
from stfw.commands.sweep.trials import launch, take
from tests.command_line import TINY
from tests.commands.sweep.watch import RATE, trials_of, wait_for

Call = Callable[..., tuple[int, str, str]]

NOTE = """
from pathlib import Path
import pytorch_lightning as pl

class Note(pl.Callback):
    def __init__(self, folder: str) -> None:
        self.folder = folder

    def on_train_start(self, trainer, pl_module) -> None:
        rate = trainer.optimizers[0].param_groups[0]["initial_lr"]
        Path(self.folder, f"{trainer.global_rank}.txt").write_text(str(rate))
"""


def test_real_trials_under_ddp_have_one_set_of_parameters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stfw: Call
) -> None:
    """A real run of two processes; either notes its learning rate."""
    (tmp_path / "note.py").write_text(NOTE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", f"{Path(__file__).parents[3]}{os.pathsep}{tmp_path}")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("STFW_TARGETS", "note")
    tiny = [word for word in TINY if not word.startswith("trainer")]
    note = "+callbacks.note={_target_:note.Note,folder:${output_dir}}"
    status, told, err = stfw(
        *("sweep", "sweep=tpe", RATE, "num_trials=1", "name=d", *tiny, note),
        *("trainer=ddp", "trainer.accelerator=cpu", "trainer.max_epochs=1"),
        "trainer.limit_train_batches=1",
    )
    assert status == 0, (told, err)
    (trial,) = trials_of(tmp_path / "sweeps/d")
    assert trial.state.name == "COMPLETE", err
    folder = tmp_path / "sweeps/d/trials/0000"
    record = json.loads((folder / "run.json").read_text())
    assert record["summary"]["world_size"] == 2
    assert record["metrics"]["val/top1"] == trial.value
    assert "test/top1" not in record["metrics"]
    for rank in range(2):
        rate = float((folder / f"{rank}.txt").read_text())
        assert rate == pytest.approx(trial.params["optimizer.lr"])
    assert list(trial.intermediate_values) == [1]  # told once, by rank 0


def test_a_real_trial_that_was_cut_short_goes_on_from_its_last_epoch(
    tmp_path: Path, stfw: Call
) -> None:
    words = [
        *("sweep", "sweep=tpe", RATE, "num_trials=1", "name=r", f"sweeps_dir={tmp_path}", *TINY),
        *("trainer.max_epochs=12", "trainer.limit_train_batches=1"),
    ]
    sweep, folder = read_sweep(words[1:]), tmp_path / "r/trials/0000"
    open_study(sweep)
    taken = take(sweep)
    assert taken is not None
    running = launch(sweep, *taken, cores=set())
    assert running.process is not None
    wait_for(folder / "checkpoints/last.ckpt", running.process)
    running.process.kill()
    running.process.wait()
    os.close(running.claim)
    status, _, err = stfw(*words)
    assert status == 0, err
    assert "going on from" in (folder / "log.txt").read_text()
    rows = (folder / "metrics.csv").read_text().splitlines()[1:]
    assert [int(row.split(",")[0]) for row in rows] == list(range(12))
    (trial,) = trials_of(tmp_path / "r")
    assert trial.state.name == "COMPLETE"
    assert list(trial.intermediate_values) == list(range(1, 13))
