"""What a sweep's YAML and command line say."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stfw.commands.sweep.space import Parameter, Value, grid, kept, read_space
from stfw.commands.sweep.words import split_words
from stfw.config import compose, compose_root, groups, to_plain
from stfw.runs.study import StudyFolder
from stfw.types import UserError, nearest

DIRECTIONS = ("maximize", "minimize")
METHODS = ("tpe", "random", "grid", "cmaes", "nsga2")
SINGLE = ("cmaes",)  # these know one objective alone
PRUNERS = ("none", "median", "hyperband")
PER_EPOCH = ("val/", "train/")


@dataclass(frozen=True)
class Objective:
    """What is sought: a name of ``run.json`` and a direction.

    Attributes:
        metric: a score such as ``val/top1``; or of a run's plan or timings.
        direction: ``maximize`` or ``minimize``.
    """

    metric: str
    direction: str

    @property
    def is_per_epoch(self) -> bool:
        return self.metric.startswith(PER_EPOCH)

    def __str__(self) -> str:
        return f"{self.direction} {self.metric}"


@dataclass(frozen=True)
class Sweep:
    """A sweep.

    Attributes:
        folder: where it is kept.
        num_trials: exactly so many.
        jobs: trials at a time of this process.
        objectives: at least one.
        at_epoch: ``last`` or ``best``: whose scores count.
        overrides: of every trial.
        fixed: those of them that are ``key=value``, by key.
        space: what is searched.
        points: values of the first trials, known before any search; all of them in a grid.
        search: method and its settings.
        pruner: method and its settings, with ``max_epochs`` of the trials.
        keep: whose checkpoints stay: ``best``, ``all`` or ``none``.
        command: what runs a trial instead of ``stfw train``.
        is_dry: only print.
    """

    folder: StudyFolder
    num_trials: int
    jobs: int
    objectives: tuple[Objective, ...]
    at_epoch: str
    overrides: tuple[str, ...]
    fixed: Mapping[str, Any]
    space: tuple[Parameter, ...]
    points: tuple[Mapping[str, Any], ...]
    search: Mapping[str, Any]
    pruner: Mapping[str, Any]
    keep: str
    command: tuple[str, ...] | None
    is_dry: bool

    @property
    def identity(self) -> dict[str, Any]:
        """What must not change while a study grows: its trials would not be comparable."""
        return {
            "overrides": list(self.overrides),
            "space": {p.key: str(p) for p in self.space},
            "objectives": [str(objective) for objective in self.objectives],
            "at_epoch": self.at_epoch,
        }


def read_sweep(words: Sequence[str]) -> Sweep:
    """The sweep that the command's words ask for.

    Raises:
        UserError: a word or a value that makes no sense.
    """
    if not any(word.startswith("sweep=") for word in words):
        raise UserError(f"name a sweep: stfw sweep sweep={'|'.join(groups().get('sweep', []))}")
    own, extra, edits = split_words(words)
    composed = compose_root("sweep", own)
    given = to_plain(composed.cfg)
    title = composed.choices["sweep"]
    if isinstance(given.get("sweep"), dict):
        raise UserError(f"sweep={title}: its YAML must begin with the line # @package _global_")
    for edit in edits:
        given["space"] = edit(given["space"] or {})
    fixed = _fixed(extra)
    run = [text for text in given["run"] or () if _key(text) not in fixed]
    overrides = (*run, *extra)
    train = compose("train", overrides)
    fixed = {**_fixed(run), **fixed}
    space = tuple(read_space(given["space"] or {}, fixed))
    search = _choice(given, "search", METHODS)
    pruner = {**_choice(given, "pruner", PRUNERS), "max_epochs": train.cfg.trainer.max_epochs}
    points: Sequence[Mapping[str, Any]] = _first(given["first"] or [], space)
    if search["method"] == "grid":
        if points:
            raise UserError("first: a grid has its own order; leave it out")
        points = grid(space, fixed)
    name = given["name"] or f"{title}_{train.choices['model']}_{train.choices['data']}"
    sweep = Sweep(
        folder=StudyFolder(Path(str(given["sweeps_dir"])).expanduser().resolve() / str(name)),
        num_trials=_count_trials(given["num_trials"], search["method"], len(points)),
        jobs=_whole(given["jobs"], "jobs"),
        objectives=tuple(_objective(text) for text in given["objectives"] or ()),
        at_epoch=_one_of(given["at_epoch"], "at_epoch", ("last", "best")),
        overrides=overrides,
        fixed=fixed,
        space=space,
        points=tuple(points),
        search=search,
        pruner=pruner,
        keep=_one_of(given["keep"], "keep", ("best", "all", "none")),
        command=tuple(map(str, given["command"])) if given["command"] else None,
        is_dry=bool(given["dry_run"]),
    )
    _check_together(sweep)
    return sweep


def _check_together(sweep: Sweep) -> None:
    metrics = [objective.metric for objective in sweep.objectives]
    if not metrics or len(set(metrics)) < len(metrics):
        raise UserError("objectives: name at least one, and each once: [maximize val/top1]")
    if any(metric.startswith("test/") for metric in metrics) and not sweep.fixed.get("test", True):
        raise UserError(
            "objectives: test scores are left out of a sweep, since choosing by them spoils them; "
            "use val/top1, or give test=true if you mean it"
        )
    method, pruner = sweep.search["method"], sweep.pruner["method"]
    if len(metrics) > 1:
        if pruner != "none":
            raise UserError(
                f"pruner.method={pruner}: several objectives cannot say after an epoch which trial "
                "is worse; set pruner.method=none"
            )
        if method in SINGLE:
            raise UserError(
                f"search.method={method} knows one objective; for several there are tpe and nsga2"
            )
    if pruner != "none" and not sweep.objectives[0].is_per_epoch:
        raise UserError(
            f"pruner.method={pruner}: {metrics[0]} is known at the end alone; prune by a score of "
            "every epoch, such as val/top1, or set pruner.method=none"
        )
    if "LOCAL_RANK" in os.environ:
        raise UserError(
            "stfw sweep starts each trial's processes itself; start it without torchrun, "
            "with trainer=ddp trainer.devices=..."
        )


def _count_trials(asked: Any, method: str, num_points: int) -> int:
    if method != "grid":
        return _whole(asked, "num_trials")
    if asked is None:
        return num_points
    if _whole(asked, "num_trials") > num_points:
        raise UserError(f"num_trials={asked}: the grid has {num_points} points")
    return asked


def _first(given: Any, space: Sequence[Parameter]) -> list[Mapping[str, Value]]:
    keys = [parameter.key for parameter in space]
    for point in given:
        if not isinstance(point, Mapping):
            raise UserError(f"first: {point!r} is no mapping, {{optimizer.lr: 0.01}}")
        for key, value in point.items():
            if key not in keys:
                raise UserError(f"first: '{key}' is no parameter of space{nearest(key, keys)}")
            _check_inside(space[keys.index(key)], kept(value))
    return [{key: kept(value) for key, value in point.items()} for point in given]


def _check_inside(parameter: Parameter, value: Any) -> None:
    if parameter.choices:
        inside = value in parameter.choices
    else:
        inside = isinstance(value, int | float) and parameter.low <= value <= parameter.high
    if not inside:
        raise UserError(f"first: {parameter.key}={value} is not in its space ({parameter})")


def _fixed(overrides: Sequence[str]) -> dict[str, Any]:
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    found: dict[str, Any] = {}
    for text in overrides:
        try:
            parsed = OverridesParser.create().parse_override(text)
        except HydraException:
            continue  # compose says what is wrong with it
        if parsed.is_sweep_override():
            raise UserError(
                f"{text}: values to search belong in the space: space.{text.replace('=', '=[', 1)}]"
            )
        if not parsed.is_delete():
            found[_key(text)] = parsed.value()
    return found


def _key(override: str) -> str:
    return override.split("=", 1)[0].lstrip("+~")


def _objective(text: Any) -> Objective:
    direction, _, metric = str(text).partition(" ")
    if direction not in DIRECTIONS or not metric.strip():
        raise UserError(f"objectives: '{text}' is not maximize|minimize <score>")
    return Objective(metric.strip(), direction)


def _choice(given: Mapping[str, Any], key: str, methods: Sequence[str]) -> dict[str, Any]:
    settings = dict(given[key])
    _one_of(settings["method"], f"{key}.method", methods)
    for name, value in settings.items():
        if name == "seed":
            _whole(value, f"{key}.{name}", at_least=0)
        elif name != "method" and value is not None:
            _whole(value, f"{key}.{name}", at_least={"population": 2, "reduction": 2}.get(name, 1))
    return settings


def _one_of(value: Any, where: str, known: Sequence[str]) -> str:
    if value not in known:
        raise UserError(
            f"{where}={value}: there are {', '.join(known)}{nearest(str(value), known)}"
        )
    return value


def _whole(value: Any, where: str, at_least: int = 1) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < at_least:
        raise UserError(f"{where}={value} must be a whole number of at least {at_least}")
    return value
