"""``stfw sweep``: a search for hyperparameters that may be stopped at any time."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from stfw.commands.sweep import report
from stfw.commands.sweep.rehearse import check_first, show_plan
from stfw.commands.sweep.results import line_of, read_results, result_line, shown
from stfw.commands.sweep.spec import Sweep, read_sweep
from stfw.commands.sweep.trials import run_trials
from stfw.config import groups
from stfw.runs.directory import in_group
from stfw.types import UserError

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

USAGE = """usage: stfw sweep sweep=<name> [key=value ...] [overrides of every trial]
       stfw sweep report sweep=<name or folder> [top=5] [--json]

searches hyperparameters until there are exactly num_trials trials; stopped or killed, the same
command goes on. Several such commands may work on one study at the same time. dry_run=true prints
the space and the first trials. Any other override, such as model=c3d, goes to every trial.

keys (defaults and meanings: conf/sweep.yaml):
  sweep=<name>                  {sweeps}
  name=<folder>                 below sweeps_dir (sweeps); <sweep>_<model>_<data>
  num_trials=<n>  jobs=<n>      trials in all; at a time, of this command
  'objectives=[maximize val/top1,minimize gmacs_per_view]'
  space.<override>=[a,b]        'space.<override>={{low:1e-4,high:1e-1,log:true}}'
  space.<override>.high=0.1     ~space.<override> takes it out
  search.method=<m>             tpe, random, grid, cmaes, nsga2
  pruner.method=<m>             none, median, hyperband
"""


def main(words: Sequence[str]) -> None:
    if words[:1] == ["report"]:
        report.main(words[1:])
        return
    if not words or {"-h", "--help"} & set(words):
        print(USAGE.format(sweeps=", ".join(groups().get("sweep", []))), end="")
        return
    sweep = read_sweep(words)
    if sweep.is_dry:
        show_plan(sweep)
        return
    num_ended = open_study(sweep)
    print(
        f"{shown(sweep.folder.path)}: {num_ended} of {sweep.num_trials} trials ended, "
        f"{sweep.jobs} at a time; {', '.join(p.key for p in sweep.space)}",
        flush=True,
    )

    def ended(trial: FrozenTrial) -> None:
        sheet = read_results(sweep.folder)
        told = line_of(sheet.trials[trial.number], sheet)
        print(f"{sheet.num_ended}/{sweep.num_trials}  {told}", flush=True)

    try:
        with in_group(f"sweep-{sweep.folder.path.name}"):
            run_trials(sweep, ended, lambda text: print(text, flush=True))
    except KeyboardInterrupt:
        print("the same command goes on", file=sys.stderr)
        raise
    sheet = read_results(sweep.folder, with_importance=True)
    page = report.write(sheet, sweep.folder.path)
    for trial in sheet.of_state("failed"):
        print(f"failed: trial {trial.number}: {trial.problem}\n{trial.log}", file=sys.stderr)
    print(sheet.counts)
    print(f"report {shown(page)}")
    print(result_line(sheet))
    if not sheet.best:
        sys.exit(1)


def open_study(sweep: Sweep) -> int:
    """Makes the study, or looks whether it is this very sweep's; the number of ended trials.

    Raises:
        UserError: the first trial would not start, or the folder is another sweep's.
    """
    folder = sweep.folder
    if not folder.database.is_file():
        check_first(sweep)
    try:
        folder.path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder.path}: cannot be written ({error.strerror})") from error
    settings = {
        "search": dict(sweep.search),
        "pruner": dict(sweep.pruner),
        "num_trials": sweep.num_trials,
    }
    with folder.locked():
        if not folder.database.is_file():
            directions = [objective.direction for objective in sweep.objectives]
            folder.create(directions, {"identity": sweep.identity, **settings})
        study = folder.load()
        _check_same(sweep, study.user_attrs["identity"])
        for name, value in settings.items():
            if study.user_attrs[name] != value:
                study.set_user_attr(name, value)
        trials = study.get_trials(deepcopy=False)
    if len(trials) > sweep.num_trials:
        raise UserError(
            f"num_trials={sweep.num_trials}: {folder.path} has {len(trials)} already; ask for more"
        )
    return sum(trial.state.is_finished() for trial in trials)


def _check_same(sweep: Sweep, before: dict) -> None:
    for name, now in sweep.identity.items():
        was = before.get(name)
        if was != now:
            raise UserError(
                f"{sweep.folder.path} was begun with {name} {_told(was)}, not {_told(now)}; give "
                "the same to go on, or begin another: name=..."
            )


def _told(value: object) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{key}: {text}" for key, text in value.items())
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
