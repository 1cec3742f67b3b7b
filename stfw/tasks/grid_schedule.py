"""How many optimizer steps a run has, and its learning rate where clips change their shape."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Callable, Sequence
from typing import Any

from torch.optim.lr_scheduler import LambdaLR

from stfw.data.multigrid import Multigrid
from stfw.types import UserError


def planned_steps(trainer: Any) -> list[int]:
    """Optimizer steps of every epoch; without a grid, of all epochs in one number."""
    data = getattr(trainer, "datamodule", None)
    if getattr(data, "grid", None) is None:
        return [int(trainer.estimated_stepping_batches)]
    steps = grid_steps(
        data,
        trainer.max_epochs,
        trainer.world_size,
        trainer.accumulate_grad_batches,
        trainer.limit_train_batches,
    )
    most = trainer.max_steps if trainer.max_steps >= 0 else sum(steps)
    ends = [min(end, most) for end in itertools.accumulate(steps)]
    return [end - begin for begin, end in itertools.pairwise([0, *ends])]


def grid_steps(
    data: Any, num_epochs: int, world_size: int, accumulate: int, limit: float | None
) -> list[int]:
    """Optimizer steps of every epoch of a data module with a grid.

    Args:
        data: the data module.
        num_epochs: of the run.
        world_size: processes.
        accumulate: batches per step.
        limit: batches per epoch (int) or the share of them (float); None: all.
    """
    batches, steps = data.train_batches(world_size=world_size), []
    for epoch in range(num_epochs):
        batches.set_epoch(epoch)
        length = len(batches)
        if limit is not None:
            length = min(length, limit) if isinstance(limit, int) else int(length * limit)
        steps.append(max(1, -(-length // accumulate)))
    return steps


def follow_grid(configs: Sequence[dict[str, Any]], steps: Sequence[int], grid: Multigrid) -> None:
    """Makes a learning rate grow with the batch of a grid's long cycle.

    A share of the run is one of its steps, as ever: a long cycle takes as many steps of the whole
    as its part of the run has epochs, so that it ends where the rate drops.

    Args:
        configs: Lightning's, of schedulers made for ``sum(steps)``.
        steps: optimizer steps of every epoch.
        grid: the shapes.

    Raises:
        UserError: the schedule is not a function of the step alone.
    """
    begins = [0, *itertools.accumulate(steps)]

    def at(factor: Callable[[int], float]) -> Callable[[int], float]:
        def of_step(step: int) -> float:
            epoch = min(bisect.bisect_right(begins, step) - 1, len(steps) - 1)
            return factor(step) * grid.lr_factor(epoch)

        return of_step

    for config in configs:
        scheduler = config["scheduler"]
        if not isinstance(scheduler, LambdaLR):
            raise UserError(
                "multigrid: the learning rate grows with the batch, which onecycle and plateau "
                "cannot follow; choose lr_scheduler=multistep, cosine or constant"
            )
        scheduler.lr_lambdas = [at(factor) for factor in scheduler.lr_lambdas]
        for group, rate, factor in zip(
            scheduler.optimizer.param_groups,
            scheduler.base_lrs,
            scheduler.lr_lambdas,
            strict=True,
        ):
            group["lr"] = rate * factor(0)
