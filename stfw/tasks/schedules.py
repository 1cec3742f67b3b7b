"""Learning-rate schedules, stepped once per optimizer step."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LinearLR, OneCycleLR, ReduceLROnPlateau

from stfw.types import UserError


def cosine(
    optimizer: Optimizer,
    num_steps: int,
    num_epochs: int,
    warmup_epochs: float = 0.0,
    warmup_factor: float = 0.0,
    final_factor: float = 0.0,
    hold: float = 0.0,
) -> LambdaLR:
    """Linear warm-up, then half a cosine (Loshchilov & Hutter 2017).

    Args:
        optimizer: whose learning rates are scaled.
        num_steps: optimizer steps of the whole run.
        num_epochs: epochs of the whole run.
        warmup_epochs: epochs of linear growth to the full rate.
        warmup_factor: share of the full rate at which it begins.
        final_factor: the last step's share of the full rate.
        hold: share of the run, at its end, over which the final rate stays.
    """
    if not 0 <= hold < 1:
        raise UserError(f"lr_scheduler.hold={hold} is not in 0..1")
    warm = _warm_up(warmup_epochs, warmup_factor, num_steps, num_epochs)
    warmup_steps = _warmup_steps(warmup_epochs, num_steps, num_epochs)

    def factor(step: int) -> float:
        if step < warmup_steps:
            return warm(step)
        progress = (step - warmup_steps) / max(1, num_steps * (1 - hold) - warmup_steps)
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
    warmup_factor: float = 0.0,
) -> LambdaLR:
    """Linear warm-up, then a constant rate, multiplied by ``gamma`` at every milestone.

    Args:
        optimizer: whose learning rates are scaled.
        num_steps: optimizer steps of the whole run.
        num_epochs: epochs of the whole run.
        milestones: epochs (above 1) or shares of the run (0..1) at which the rate drops.
        gamma: factor of each drop.
        warmup_epochs: epochs of linear growth to the full rate.
        warmup_factor: share of the full rate at which it begins.
    """
    warm = _warm_up(warmup_epochs, warmup_factor, num_steps, num_epochs)
    steps = [
        milestone * num_steps if milestone <= 1 else milestone * num_steps / max(1, num_epochs)
        for milestone in milestones
    ]
    return LambdaLR(
        optimizer, lambda step: warm(step) * gamma ** sum(step >= milestone for milestone in steps)
    )


def constant(
    optimizer: Optimizer,
    num_steps: int,
    num_epochs: int,
    warmup_epochs: float = 0.0,
    warmup_factor: float = 0.0,
) -> LambdaLR:
    """Linear warm-up, then the full rate.

    Args:
        optimizer: whose learning rates are scaled.
        num_steps: optimizer steps of the whole run.
        num_epochs: epochs of the whole run.
        warmup_epochs: epochs of linear growth to the full rate.
        warmup_factor: share of the full rate at which it begins.
    """
    return LambdaLR(optimizer, _warm_up(warmup_epochs, warmup_factor, num_steps, num_epochs))


def onecycle(
    optimizer: Optimizer,
    num_steps: int,
    num_epochs: int,
    rise: float = 0.3,
    start_divisor: float = 25.0,
    final_divisor: float = 1e4,
    shape: Literal["cos", "linear"] = "cos",
    cycle_momentum: bool = True,
) -> OneCycleLR:
    """Up to the full rate and down below where it began (Smith & Topin 2019); torch's.

    Args:
        optimizer: whose learning rates are the peaks.
        num_steps: optimizer steps of the whole run.
        num_epochs: epochs of the whole run.
        rise: share of the run in which the rate grows.
        start_divisor: it begins at the full rate divided by this.
        final_divisor: it ends at where it began divided by this.
        shape: ``cos`` or ``linear``.
        cycle_momentum: momentum (Adam: beta1) goes from 0.95 to 0.85 and back against the rate.
    """
    if not 0 < rise < 1:
        raise UserError(f"lr_scheduler.rise={rise} is not between 0 and 1")
    return OneCycleLR(
        optimizer,
        max_lr=[group["lr"] for group in optimizer.param_groups],
        total_steps=max(1, num_steps),
        pct_start=rise,
        div_factor=start_divisor,
        final_div_factor=final_divisor,
        anneal_strategy=shape,
        cycle_momentum=cycle_momentum,
    )


def plateau(
    optimizer: Optimizer,
    num_steps: int,
    num_epochs: int,
    monitor: str = "val/loss",
    mode: Literal["min", "max"] = "min",
    gamma: float = 0.1,
    patience: int = 3,
    min_delta: float = 0.0,
    min_factor: float = 0.0,
    warmup_epochs: float = 0.0,
    warmup_factor: float = 0.0,
) -> list[dict[str, Any]]:
    """Linear warm-up, then the full rate, multiplied by ``gamma`` whenever a score stands still.

    Args:
        optimizer: whose learning rates are scaled.
        num_steps: optimizer steps of the whole run.
        num_epochs: epochs of the whole run.
        monitor: the score, by its name in ``metrics.csv``.
        mode: whether it is better the lower (``min``) or the higher (``max``).
        gamma: factor of each drop.
        patience: validations without a better score that are borne.
        min_delta: a better score is better by more than this.
        min_factor: the rate never falls below this share of the full one.
        warmup_epochs: epochs of linear growth to the full rate.
        warmup_factor: share of the full rate at which it begins.

    Returns:
        Lightning's configurations of two schedulers; the first is asked at every validation.
    """
    if not 0 < gamma < 1:
        raise UserError(f"lr_scheduler.gamma={gamma} is not between 0 and 1")
    drops = ReduceLROnPlateau(
        optimizer,
        mode=mode,
        factor=gamma,
        patience=patience,
        threshold=min_delta,
        threshold_mode="abs",
        min_lr=[group["lr"] * min_factor for group in optimizer.param_groups],
    )
    configs: list[dict[str, Any]] = [
        {"scheduler": drops, "interval": "epoch", "monitor": monitor, "strict": True}
    ]
    if warmup_steps := _warmup_steps(warmup_epochs, num_steps, num_epochs):
        begin = warmup_factor + (1 - warmup_factor) / (warmup_steps + 1)
        # torch's own, since it multiplies what stands there, and so leaves the drops in place
        warm = LinearLR(optimizer, start_factor=begin, total_iters=warmup_steps)
        configs.append({"scheduler": warm, "interval": "step"})
    return configs


def _warm_up(
    warmup_epochs: float, warmup_factor: float, num_steps: int, num_epochs: int
) -> Callable[[int], float]:
    """Step to the share of the full rate: a line to 1, then 1."""
    warmup_steps = _warmup_steps(warmup_epochs, num_steps, num_epochs)
    if not 0 <= warmup_factor <= 1:
        raise UserError(f"lr_scheduler.warmup_factor={warmup_factor} is not in 0..1")

    def factor(step: int) -> float:
        if step >= warmup_steps:
            return 1.0
        return warmup_factor + (1 - warmup_factor) * ((step + 1) / (warmup_steps + 1))

    return factor


def _warmup_steps(warmup_epochs: float, num_steps: int, num_epochs: int) -> int:
    if warmup_epochs < 0:
        raise UserError(f"lr_scheduler.warmup_epochs={warmup_epochs} is below 0")
    return round(num_steps * min(1.0, warmup_epochs / max(1, num_epochs)))
