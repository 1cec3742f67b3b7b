"""``stfw sweep``: exactly the asked number of trials, whatever happens to its processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from stfw.commands.sweep import open_study
from stfw.commands.sweep.spec import read_sweep
from stfw.commands.sweep.trials import finish, launch, take
from stfw.config import conf_dir, groups
from stfw.runs.directory import RunDir
from stfw.runs.study import PRUNED_AFTER
from tests.commands.sweep.watch import LIMIT_SEC, RATE, begin, trials_of, wait_for

Call = Callable[..., tuple[int, str, str]]
STUB = Path(__file__).with_name("stub.py")


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    """A sweep whose trials are stubs; its folder is ``tmp_path/s``."""
    (tmp_path / "s").mkdir()
    return [
        "sweep",
        "sweep=tpe",
        RATE,
        "pruner.method=none",
        "search.num_startup=3",
        f"sweeps_dir={tmp_path}",
        "name=s",
        f"command=[{sys.executable},{STUB}]",
    ]


def kill_when(path: Path, process: subprocess.Popen[str]) -> None:
    """SIGKILL once a file is there."""
    wait_for(path, process)
    process.send_signal(signal.SIGKILL)
    process.communicate()


def test_killed_twice_it_ends_with_exactly_the_number(
    words: list[str], tmp_path: Path, stfw: Call
) -> None:
    folder = tmp_path / "s"
    for number in (1, 3):
        (folder / f"hang_{number}").touch()
    words.append("num_trials=6")
    open_study(read_sweep(words[1:]))  # here, where torch is imported already
    kill_when(folder / "trials/0001/hangs", begin(words))
    assert [trial.state.name for trial in trials_of(folder)] == ["COMPLETE", "RUNNING"]
    kill_when(folder / "trials/0003/hangs", begin(words))
    assert [trial.state.name for trial in trials_of(folder)] == ["COMPLETE"] * 3 + ["RUNNING"]
    status, told, err = stfw(*words)
    assert status == 0, err
    assert "3 of 6 trials ended" in told.splitlines()[0]
    assert told.splitlines()[-1].startswith("val/top1 ")

    trials = trials_of(folder)
    assert [trial.state.name for trial in trials] == ["COMPLETE"] * 6
    for trial in trials:
        started = (folder / f"trials/{trial.number:04d}/starts.txt").read_text().splitlines()
        assert len(started) == (2 if trial.number in (1, 3) else 1), trial.number
        assert len(set(started)) == 1  # taken over with its own parameters
        assert "resume=auto" in started[0].split()
    # and it searched as if nothing had happened
    status, _, err = stfw(*words, "name=quiet")
    assert status == 0, err
    quiet = trials_of(tmp_path / "quiet")
    assert [trial.params for trial in quiet] == [trial.params for trial in trials]

    status, told, _ = stfw(*words)  # nothing is left to do
    assert status == 0
    assert "6 of 6 trials ended" in told.splitlines()[0]
    assert len(trials_of(folder)) == 6


def test_two_processes_share_one_study(words: list[str], tmp_path: Path, stfw: Call) -> None:
    folder = tmp_path / "s"
    assert stfw(*words, "num_trials=1")[0] == 0
    (folder / "meet").write_text("3")  # trials 1 and 2 wait for each other
    both = [begin([*words, "num_trials=5"]) for _ in range(2)]
    told = [process.communicate(timeout=LIMIT_SEC)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], told
    trials = trials_of(folder)
    assert [trial.state.name for trial in trials] == ["COMPLETE"] * 5
    assert len({trial.params["optimizer.lr"] for trial in trials}) == 5
    for trial in trials:
        starts = (folder / f"trials/{trial.number:04d}/starts.txt").read_text().splitlines()
        assert len(starts) == 1
    for text in told:
        assert "/5  trial " in text  # either has run some
        assert "5 of 5 trials ended" in text


def test_a_failed_trial_is_recorded_and_the_best_one_s_checkpoints_stay(
    words: list[str], tmp_path: Path, stfw: Call
) -> None:
    (tmp_path / "s" / "fail_1").touch()
    status, told, err = stfw(*words, "num_trials=4", "jobs=2")
    assert status == 0
    assert "4 of 4 trials ended: 3 complete, 1 failed" in told
    assert "failed: trial 1: exit 3\nout of luck" in err
    failed = trials_of(tmp_path / "s")[1]
    assert failed.state.name == "FAIL"
    assert failed.user_attrs["problem"] == "exit 3"
    assert failed.user_attrs["log"] == "out of luck"
    best = max(trials_of(tmp_path / "s"), key=lambda trial: trial.value or 0)
    kept = [path.parent.name for path in (tmp_path / "s/trials").glob("*/checkpoints")]
    assert kept == [f"{best.number:04d}"]
    status, told, _ = stfw("sweep", "report", str(tmp_path / "s"))
    assert status == 0
    assert "failed: trial 1: exit 3" in told
    page = (tmp_path / "s/report.html").read_text()
    assert "out of luck" in page


def test_a_trial_that_was_pruned_counts_so_though_its_process_was_killed(
    words: list[str], tmp_path: Path
) -> None:
    sweep = read_sweep([*words[1:], "pruner.method=median", "num_trials=2"])
    open_study(sweep)
    taken = take(sweep)
    assert taken is not None
    trial, claim = taken
    with sweep.folder.locked():  # as the callback does, before the run comes to its end
        trial.report(0.25, 1)
        trial.set_user_attr(PRUNED_AFTER, 1)
    run = RunDir(sweep.folder.trial(0))
    run.update(status="running")
    os.close(claim)

    taken = take(sweep)  # the same command, later
    assert taken is not None
    running = launch(sweep, *taken, cores=set())
    assert running.process is None  # it is not trained on
    told, has_any = finish(sweep, running.trial, 0)
    os.close(running.claim)
    assert (told.number, told.state.name, told.value) == (0, "PRUNED", 0.25)
    assert has_any
    assert run.read()["status"] == "pruned"


def test_a_sweep_in_which_nothing_works_is_given_up(
    words: list[str], tmp_path: Path, stfw: Call
) -> None:
    for number in range(9):
        (tmp_path / "s" / f"fail_{number}").touch()
    status, _, err = stfw(*words, "num_trials=9")
    assert status == 2
    assert "the first 5 trials all failed" in err
    assert len(trials_of(tmp_path / "s")) == 5


def test_the_front_is_what_nothing_beats(words: list[str], tmp_path: Path, stfw: Call) -> None:
    objectives = "objectives=[maximize val/top1,minimize gmacs_per_view]"
    unused = ["space.aggregator=[mean]", "space.aggregator.p={low:1,high:9,when:{aggregator:lstm}}"]
    more = ["search.method=nsga2", "num_trials=7", "jobs=3"]
    status, told, err = stfw(*words, objectives, *unused, *more)
    assert status == 0, err
    trials = trials_of(tmp_path / "s")
    beaten = {
        a.number
        for a in trials
        for b in trials
        if b.values[0] >= a.values[0] and b.values[1] <= a.values[1] and b.values != a.values
    }
    assert 0 < len(beaten) < 7
    assert told.splitlines()[-1].startswith(f"front of {7 - len(beaten)}: val/top1 ")
    status, told, _ = stfw("sweep", "report", str(tmp_path / "s"), "--json", "top=99")
    found = json.loads(told)
    assert {trial["trial"] for trial in found["best"]} == {t.number for t in trials} - beaten
    page = (tmp_path / "s/report.html").read_text()
    assert "What is traded" in page
    assert "<script" not in page
    assert "http" not in page.split("</style>")[1]


def test_a_study_goes_on_with_more_trials_but_not_with_others(
    words: list[str], tmp_path: Path, stfw: Call
) -> None:
    assert stfw(*words, "num_trials=1", "first=[{optimizer.lr:0.02}]")[0] == 0
    assert trials_of(tmp_path / "s")[0].params == {"optimizer.lr": 0.02}
    assert stfw(*words, "num_trials=2")[0] == 0
    assert len(trials_of(tmp_path / "s")) == 2
    for more, message in (
        (["num_trials=1"], "has 2 already"),
        (["num_trials=3", "space.optimizer.lr.high=0.1"], "was begun with space"),
        (["num_trials=3", "seed=4"], "was begun with overrides"),
    ):
        status, _, err = stfw(*words, *more)
        assert status == 2
        assert message in err
    assert len(trials_of(tmp_path / "s")) == 2


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ([], "usage"),
        (["num_trials=3"], "name a sweep"),
        (["sweep=tpee"], "did you mean 'tpe'"),
        (["sweep=tpe", "num_trial=3"], "did you mean 'num_trials'"),
        (["sweep=tpe", "num_trials=0"], "at least 1"),
        (["sweep=tpe", "search.method=tree"], "there are tpe"),
        (["sweep=tpe", "search.metod=tpe"], "search.metod"),
        (["sweep=tpe", "objectives=[val/top1]"], "maximize|minimize"),
        (["sweep=tpe", "objectives=[maximize test/top1]"], "spoils"),
        (["sweep=pareto", "pruner.method=median"], "several objectives"),
        (["sweep=pareto", "search.method=cmaes"], "one objective"),
        (["sweep=tpe", "objectives=[minimize gmacs_per_view]"], "known at the end alone"),
        (["sweep=tpe", "trainer.max_epochs=-1"], "the schedules count the epochs of a run"),
        (["sweep=grid", "num_trials=99"], "the grid has 12 points"),
        (["sweep=tpe", "space.optimizer.lrr=[1,2]"], "optimizer.lrr"),
        (["sweep=tpe", "space.aggregator=[mean,lstmm]"], "space.aggregator: aggregator=lstmm"),
        (["sweep=tpe", "space.head.dropout=[0.1,many]"], "space.head.dropout: head.dropout"),
        (["sweep=tpe", "model=c3dd"], "did you mean 'c3d'"),
        (["sweep=tpe", "optimizer.lr=0.1,0.2"], "space.optimizer.lr=[0.1,0.2]"),
        (["sweep=tpe", "output_dir=x"], "its own folder"),
        (["sweep=tpe", "~space.optimizer.l"], "did you mean 'optimizer.lr'"),
        (["sweep=tpe", "first=[{optimizer.lr:7}]"], "not in its space"),
        (["report", "sweep=gone"], "there is no such sweep"),
        (["report", "swep=gone"], "did you mean 'sweep'"),
    ],
)
def test_mistakes_are_told_before_anything_starts(
    more: list[str], message: str, stfw: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    status, out, err = stfw("sweep", *more)
    assert message in out + err
    assert status == (2 if more else 0)
    assert len(err.splitlines()) <= 1
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("name", groups(conf_dir())["sweep"])
def test_shipped_sweeps_say_what_they_would_do(
    name: str, stfw: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    status, told, err = stfw("sweep", f"sweep={name}", "dry_run=true")
    assert status == 0, err
    assert "optimizer.lr" in told
    assert told.count("stfw train test=false optimizer.lr=") == 3
    assert not any(tmp_path.iterdir())
