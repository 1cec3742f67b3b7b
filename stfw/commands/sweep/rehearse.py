"""Before a sweep: its mistakes, its space, and what its first trials will be."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from stfw.commands.sweep.samplers import leaves_random, make_sampler
from stfw.commands.sweep.space import override, suggest
from stfw.commands.sweep.spec import Sweep
from stfw.config import compose
from stfw.runs.study import require_optuna
from stfw.types import UserError

NUM_SHOWN = 3


def first_trials(sweep: Sweep, count: int) -> Iterator[list[str]]:
    """Parameters of the first trials as overrides, as long as none has ended before."""
    optuna = require_optuna()
    directions = [objective.direction for objective in sweep.objectives]
    study = optuna.create_study(directions=directions)
    for number in range(min(count, sweep.num_trials)):
        study.sampler = make_sampler(sweep, number)
        values = suggest(sweep.space, study.ask(), sweep.fixed)
        yield [override(key, value) for key, value in values.items()]


def check_first(sweep: Sweep) -> None:
    """Composes every value of a list and the first trial, and checks them against the code.

    Raises:
        UserError: names the mistake.
    """
    from stfw.assemble import check

    for parameter in sweep.space:
        if parameter.when:
            continue  # its key may be another option's
        for value in parameter.choices:
            try:
                check(compose("train", [*sweep.overrides, override(parameter.key, value)]).cfg)
            except UserError as error:
                raise UserError(f"space.{parameter.key}: {error}") from error
    (first,) = first_trials(sweep, 1)
    check(compose("train", [*sweep.overrides, *first]).cfg)


def show_plan(sweep: Sweep) -> None:
    """Prints the space and the first trials; writes nothing.

    Raises:
        UserError: a trial would not start.
    """
    check_first(sweep)
    objectives = ", ".join(str(objective) for objective in sweep.objectives)
    method, pruner = sweep.search["method"], sweep.pruner["method"]
    print(f"{sweep.num_trials} trials, {objectives}; {method}, pruner {pruner}")
    width = max(len(parameter.key) for parameter in sweep.space)
    for parameter in sweep.space:
        print(f"  {parameter.key:<{width}}  {parameter}")
    if random := leaves_random(method, sweep.space):
        print(f"{method} searches numbers that every trial has; {', '.join(random)}: at random")
    print(f"in {sweep.folder.path}; the first trials:")
    for words in first_trials(sweep, NUM_SHOWN):
        print(f"  {shlex.join(['stfw', 'train', *sweep.overrides, *words])}")
