"""Who proposes the next trial."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from stfw.commands.sweep.space import Parameter
from stfw.commands.sweep.spec import Sweep
from stfw.runs.study import require_optuna
from stfw.types import UserError

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

NUMBERS = ("cmaes",)  # these search numbers alone; other values, and conditions, stay random


def make_sampler(sweep: Sweep, number: int) -> BaseSampler:
    """The sampler of one trial.

    It is made anew for each, from the sweep's seed and the trial's number: a trial is the same
    whether the sweep was stopped before it or not, and two processes never draw alike. What the
    methods learn they read from the study.

    Optuna's own GridSampler is not used: its processes may take the same point, and a point whose
    trial fails counts as visited or not by chance. Here point ``n`` is trial ``n``.
    """
    samplers = require_optuna().samplers
    base = _search(samplers, sweep, draw_seed(sweep.search["seed"], number))
    if number < len(sweep.points):
        return samplers.PartialFixedSampler(sweep.points[number], base)
    return base


def draw_seed(seed: int, number: int) -> int:
    """A seed of 32 bits of its own for every trial."""
    digest = hashlib.sha256(f"{seed} {number}".encode()).digest()
    return int.from_bytes(digest[:4], "big")


def leaves_random(method: str, space: Sequence[Parameter]) -> list[str]:
    """Keys that a method does not search but draws at random."""
    return [p.key for p in space if method in NUMBERS and (p.choices or p.when)]


def _search(samplers: Any, sweep: Sweep, seed: int) -> BaseSampler:
    method, population = sweep.search["method"], sweep.search["population"]
    startup = sweep.search["num_startup"]
    own = {} if startup is None else {"n_startup_trials": startup}
    if method == "tpe":
        has_conditions = any(parameter.when for parameter in sweep.space)
        return samplers.TPESampler(seed=seed, multivariate=True, group=has_conditions, **own)
    if method == "cmaes":
        if find_spec("cmaes") is None:
            raise UserError('search.method=cmaes needs cmaes: pip install "stfw[sweep]"')
        return samplers.CmaEsSampler(seed=seed, popsize=population, **own)
    if method == "nsga2":
        own = {} if population is None else {"population_size": population}
        return samplers.NSGAIISampler(seed=seed, **own)
    return samplers.RandomSampler(seed=seed)
