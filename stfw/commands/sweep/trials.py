"""Taking trials, running them, telling the study: exactly as many as were asked for."""

from __future__ import annotations

import math
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stfw.commands.launch import POLL_SEC, TRAIN, core_shares, start
from stfw.commands.sweep.outcome import LOG, Outcome, is_finished, read_outcome
from stfw.commands.sweep.samplers import make_sampler
from stfw.commands.sweep.space import override, suggest, text_of
from stfw.commands.sweep.spec import Sweep
from stfw.runs.directory import RunDir
from stfw.runs.study import PRUNED_AFTER
from stfw.types import UserError

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.trial import FrozenTrial

WAIT_SEC = 2.0
GIVE_UP_AFTER = 5  # trials, when none has worked yet
PARAMETERS = "overrides"  # attribute of a trial whose parameters are drawn: as overrides
PROBLEM, LINES, FIGURES = "problem", "log", "figures"  # attributes of a trial that has ended


@dataclass
class Running:
    """A trial that this process runs.

    Attributes:
        trial: of the study.
        claim: on it; see ``StudyFolder.claim``.
        process: None where the run came to its end unseen, by an earlier process.
    """

    trial: Trial
    claim: int
    process: subprocess.Popen[bytes] | None

    @property
    def status(self) -> int | None:
        """Exit status; None: it still runs."""
        return self.process.poll() if self.process is not None else 0


def run_trials(
    sweep: Sweep, ended: Callable[[FrozenTrial], None], say: Callable[[str], None]
) -> None:
    """Runs trials until the study has exactly ``num_trials``, all of them ended.

    A trial that an earlier process left unfinished is taken over under its own number, with its
    own parameters, and its run goes on from its last checkpoint. So the study never holds more
    than ``num_trials`` trials, and none that is finished is run again.

    Args:
        sweep: the sweep; its study is there.
        ended: called after every trial of this process.
        say: prints a line.

    Raises:
        UserError: the first trials all failed.
    """
    running: dict[int, Running] = {}
    shares, num_failed, others, look_at = core_shares(sweep.jobs), 0, "", 0.0
    try:
        while True:
            for slot in range(sweep.jobs):
                if slot in running or time.monotonic() < look_at:
                    continue
                taken = take(sweep)
                if taken is not None:
                    running[slot] = launch(sweep, *taken, shares[slot])
                    continue
                look_at = time.monotonic() + WAIT_SEC  # another process' trial may come free
                if not running:
                    before, others = others, held_by_others(sweep)
                    if not others:
                        return
                    if not before:
                        say(f"waiting for {others}")
            time.sleep(POLL_SEC)
            for slot, run in list(running.items()):
                status = run.status
                if status is None:
                    continue
                trial, has_any = finish(sweep, run.trial, status)
                del running[slot]
                os.close(run.claim)
                look_at = 0.0
                num_failed = 0 if has_any else num_failed + 1
                ended(trial)
                if num_failed >= GIVE_UP_AFTER:
                    raise UserError(
                        f"the first {num_failed} trials all failed, the last one: "
                        f"{trial.user_attrs[PROBLEM]}, see {sweep.folder.trial(trial.number)}/{LOG}"
                        f"; mend it and delete {sweep.folder.path} to begin anew"
                    )
    finally:
        stop(list(running.values()))


def take(sweep: Sweep) -> tuple[Trial, int] | None:
    """A trial to run and the claim on it; None: there is none at present."""
    from optuna.trial import Trial, TrialState

    with sweep.folder.locked():
        study = sweep.folder.load()
        trials = study.get_trials(deepcopy=False)
        for trial in trials:
            if trial.state == TrialState.RUNNING:
                claim = sweep.folder.claim(trial.number)
                if claim is not None:
                    study.sampler = make_sampler(sweep, trial.number)
                    return draw(sweep, Trial(study, trial._trial_id)), claim
        if len(trials) >= sweep.num_trials:
            return None
        number = len(trials)
        claim = sweep.folder.claim(number)
        assert claim is not None, "nobody else asks while the study is locked"
        study.sampler = make_sampler(sweep, number)
        return draw(sweep, study.ask()), claim


def draw(sweep: Sweep, trial: Trial) -> Trial:
    """Draws a trial's parameters, those that it lacks."""
    if PARAMETERS not in trial.user_attrs:
        values = suggest(sweep.space, trial, sweep.fixed)
        trial.set_user_attr(PARAMETERS, [override(key, value) for key, value in values.items()])
    return trial


def launch(sweep: Sweep, trial: Trial, claim: int, cores: set[int]) -> Running:
    """Starts a trial's process, which holds the claim too: a trial is not taken over before it."""
    folder = sweep.folder.trial(trial.number)
    if is_finished(folder) or PRUNED_AFTER in trial.user_attrs:
        return Running(trial, claim, None)
    words = [*(sweep.command or TRAIN), *trial_overrides(sweep, trial)]
    return Running(trial, claim, start(words, folder / LOG, cores, [claim]))


def trial_overrides(sweep: Sweep, trial: Trial) -> list[str]:
    """Everything that ``stfw train`` is told: the sweep's, the trial's, and where it lies."""
    folder = sweep.folder.trial(trial.number)
    words = [
        *sweep.overrides,
        *trial.user_attrs[PARAMETERS],
        override("output_dir", str(folder)),
        override("name", f"{sweep.folder.path.name}-{trial.number:04d}"),
        "resume=auto",
    ]
    if sweep.pruner["method"] != "none":
        callback = {
            "_target_": "stfw.callbacks.prune.Prune",
            "study": str(sweep.folder.path),
            "trial": trial.number,
            "monitor": sweep.objectives[0].metric,
        }
        words.append(f"+callbacks.prune={text_of(callback)}")
    return words


def finish(sweep: Sweep, trial: Trial, status: int) -> tuple[FrozenTrial, bool]:
    """Tells the study what a trial came to.

    Returns:
        The trial; whether any trial of the study has worked.
    """
    from optuna.trial import TrialState

    outcome = read_outcome(sweep, trial.number, status)
    with sweep.folder.locked():
        study = sweep.folder.load()
        stored = study.get_trials(deepcopy=False)[trial.number]
        pruned_after: int | None = stored.user_attrs.get(PRUNED_AFTER)
        if pruned_after is not None:  # and stays so, however its process came to its end
            outcome = Outcome(figures=outcome.figures)
            # not finished: nobody shall take its scores for those of a whole run
            reason = f"pruned after epoch {pruned_after}"
            RunDir(sweep.folder.trial(trial.number)).update(status="pruned", reason=reason)
            if math.isnan(stored.intermediate_values[pruned_after]):
                name = sweep.objectives[0].metric
                problem = f"it diverged: {name} is nan after epoch {pruned_after}"
                outcome = Outcome(problem=problem, figures=outcome.figures)
        trial.set_user_attr(FIGURES, dict(outcome.figures))
        if outcome.problem is not None:
            trial.set_user_attr(PROBLEM, outcome.problem)
            trial.set_user_attr(LINES, outcome.lines)
            study.tell(trial.number, state=TrialState.FAIL)
        elif pruned_after is not None:
            study.tell(trial.number, state=TrialState.PRUNED)
        else:
            study.tell(trial.number, list(outcome.values))
        drop_checkpoints(sweep, study)
        trials = study.get_trials(deepcopy=False)
        worked = (TrialState.COMPLETE, TrialState.PRUNED)
        return trials[trial.number], any(t.state in worked for t in trials)


def drop_checkpoints(sweep: Sweep, study: Study) -> None:
    """Frees the disk of the checkpoints that nobody will want."""
    from optuna.trial import TrialState

    if sweep.keep == "all":
        return
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    best = study.best_trials if complete and sweep.keep == "best" else []
    kept = {trial.number for trial in best}
    for trial in study.get_trials(deepcopy=False):
        if trial.state.is_finished() and trial.number not in kept:
            folder = sweep.folder.trial(trial.number) / "checkpoints"
            if folder.is_dir():
                shutil.rmtree(folder)


def held_by_others(sweep: Sweep) -> str:
    """Which trials other processes run, in words; empty: none."""
    from optuna.trial import TrialState

    with sweep.folder.locked():
        trials = sweep.folder.load().get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    return ", ".join(
        f"trial {trial.number} of process {sweep.folder.holder(trial.number)}" for trial in trials
    )


def stop(running: list[Running]) -> None:
    """Ends trials; the study goes on calling them running, so that they will be taken over."""
    processes = [run.process for run in running if run.process is not None]
    for process in processes:
        process.send_signal(signal.SIGTERM)
    for process in processes:
        process.wait()
    for run in running:
        os.close(run.claim)
