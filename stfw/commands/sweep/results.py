"""What a study holds, as plain values."""

from __future__ import annotations

import shlex
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stfw.commands.sweep.trials import FIGURES, LINES, PARAMETERS, PROBLEM
from stfw.reports.sweep_sheet import State, SweepSheet, SweepTrial, short
from stfw.runs.study import StudyFolder

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

STATES: dict[str, State] = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}


def read_results(folder: StudyFolder, with_importance: bool = False) -> SweepSheet:
    """A sweep as it stands.

    Raises:
        UserError: there is none in this folder.
    """
    with folder.locked():
        study = folder.load()
        trials = study.get_trials(deepcopy=False)
        about = study.user_attrs
        front = [trial.number for trial in study.best_trials] if _any_complete(trials) else []
        importance = _importance(study) if with_importance else {}
    identity = about["identity"]
    goals = [text.split(" ", 1) for text in identity["objectives"]]
    return SweepSheet(
        name=folder.path.name,
        num_asked=about["num_trials"],
        metrics=[metric for _, metric in goals],
        directions=[direction for direction, _ in goals],
        method=about["search"]["method"],
        pruner=about["pruner"]["method"],
        overrides=identity["overrides"],
        space=identity["space"],
        logs=[key for key, text in identity["space"].items() if ", log" in text],
        trials=[_trial(folder, trial, identity["overrides"]) for trial in trials],
        front=front,
        importance=importance,
    )


def line_of(trial: SweepTrial, sheet: SweepSheet) -> str:
    """A trial in a line: number, values or what became of it, parameters."""
    params = " ".join(f"{key}={value}" for key, value in trial.texts.items())
    told = f"failed ({trial.problem})" if trial.problem else _values(trial, sheet)
    if trial.state == "pruned":
        told = f"pruned after epoch {max(trial.epochs)} ({told})"
    return f"trial {trial.number}  {told}  {params}"


def result_line(sheet: SweepSheet) -> str:
    """``val/top1 0.875  optimizer.lr=0.003  sweeps/tpe_c3d_toy/trials/0012``"""
    best = sheet.best
    if not best:
        return f"no trial is complete  {sheet.counts}"
    if sheet.is_single:
        params = " ".join(f"{key}={value}" for key, value in best[0].texts.items())
        return f"{_values(best[0], sheet)}  {params}  {shown(best[0].folder)}"
    ranges = []
    for nth, metric in enumerate(sheet.metrics):
        found = [trial.values[nth] for trial in best]
        ranges.append(f"{metric} {short(min(found))} to {short(max(found))}")
    return f"front of {len(best)}: {', '.join(ranges)}  {shown(best[0].folder.parents[1])}"


def to_json(sheet: SweepSheet, top: int) -> dict[str, Any]:
    """For programs."""
    return {
        "name": sheet.name,
        "num_asked": sheet.num_asked,
        "counts": {state: len(sheet.of_state(state)) for state in (*STATES.values(), "running")},
        "objectives": dict(zip(sheet.metrics, sheet.directions, strict=True)),
        "space": dict(sheet.space),
        "importance": dict(sheet.importance),
        "best": [_plain(trial, sheet) for trial in sheet.best[:top]],
        "failed": [_plain(trial, sheet) for trial in sheet.of_state("failed")],
    }


def shown(path: Path) -> str:
    """A path as short as it can be from here."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _plain(trial: SweepTrial, sheet: SweepSheet) -> dict[str, Any]:
    return {
        "trial": trial.number,
        "values": dict(zip(sheet.metrics, trial.values, strict=False)),
        "params": dict(trial.params),
        "figures": dict(trial.figures),
        "folder": str(trial.folder),
        "command": trial.command,
        **({"problem": trial.problem, "log": trial.log} if trial.problem else {}),
    }


def _trial(folder: StudyFolder, trial: FrozenTrial, overrides: list[str]) -> SweepTrial:
    drawn = trial.user_attrs.get(PARAMETERS, [])
    kept = [text for text in overrides if text != "test=false"]
    return SweepTrial(
        number=trial.number,
        state=STATES.get(trial.state.name, "running"),
        values=tuple(trial.values or ()),
        params=trial.params,
        epochs=trial.intermediate_values,
        folder=folder.trial(trial.number),
        command=shlex.join(["stfw", "train", *kept, *drawn]),
        problem=trial.user_attrs.get(PROBLEM, ""),
        log=trial.user_attrs.get(LINES, ""),
        figures=trial.user_attrs.get(FIGURES, {}),
    )


def _values(trial: SweepTrial, sheet: SweepSheet) -> str:
    pairs = zip(sheet.metrics, trial.values, strict=False)
    return "  ".join(f"{metric} {short(value)}" for metric, value in pairs)


def _any_complete(trials: list[FrozenTrial]) -> bool:
    return any(trial.state.name == "COMPLETE" for trial in trials)


def _importance(study: Study) -> dict[str, float]:
    from optuna.importance import get_param_importances

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = get_param_importances(study)
    except (ValueError, RuntimeError):  # too few complete trials
        return {}
    return {key: float(share) for key, share in found.items()} if any(found.values()) else {}
