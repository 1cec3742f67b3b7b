"""Learning-rate schedules, stepped once per optimizer step."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from stfw.types import UserError


def cosine(
    optimizer: Optimizer,
    num_steps: int,
    num_epochs: int,
    warmup_epochs: float = 0.0,
    final_factor: float = 0.0,
) -> LambdaLR:
    """Linear warm-up, then half a cosine (Loshchilov & Hutter 2017).

    Args:
        optimizer: whose learning rates are scaled.
        num_steps: optimizer steps of the whole run.
        num_epochs: epochs of the whole run.
        warmup_epochs: epochs of linear growth to the full rate.
        final_factor: the last step's share of the full rate.
    """
    warmup_steps = _warmup_steps(warmup_epochs, num_steps, num_epochs)

    def factor(step: int) -> float:
        if step < warmup_steps:
            return (step + 1) / (warmup_steps + 1)
        progress = (step - warmup_steps) / max(1, num_steps - warmup_steps)
        return final_factor + (1 - final_factor) * 0.5 * (
            1 + math.cos(math.pi * min(1.0, progress))
        )

    return LambdaLR(optimizer, factor)


def multistep(
    optimizer: Optimizer,
    num_steps: int,
    num_epochs: int,
    milestones: Sequence[float] = (0.5, 0.75),
    gamma: float = 0.1,
    warmup_epochs: float = 0.0,
) -> LambdaLR:
    """Linear warm-up, then a constant rate, multiplied by ``gamma`` at every milestone.

    Args:
        optimizer: whose learning rates are scaled.
        num_steps: optimizer steps of the whole run.
        num_epochs: epochs of the whole run.
        milestones: epochs (above 1) or shares of the run (0..1) at which the rate drops.
        gamma: factor of each drop.
        warmup_epochs: epochs of linear growth to the full rate.
    """
    warmup_steps = _warmup_steps(warmup_epochs, num_steps, num_epochs)
    steps = [
        milestone * num_steps if milestone <= 1 else milestone * num_steps / num_epochs
        for milestone in milestones
    ]

    def factor(step: int) -> float:
        if step < warmup_steps:
            return (step + 1) / (warmup_steps + 1)
        return gamma ** sum(step >= milestone for milestone in steps)

    return LambdaLR(optimizer, factor)


def _warmup_steps(warmup_epochs: float, num_steps: int, num_epochs: int) -> int:
    if warmup_epochs < 0:
        raise UserError(f"lr_scheduler.warmup_epochs={warmup_epochs} is below 0")
    return round(num_steps * min(1.0, warmup_epochs / max(1, num_epochs)))
