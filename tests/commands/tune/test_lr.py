"""The range test: rates, losses and what is made of them."""

from __future__ import annotations

import csv
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

from stfw.commands.tune.lr import lowest, range_test, smoothed, suggestion
from stfw.tasks.param_groups import FineTuning
from stfw.types import UserError
from tests.command_line import TINY
from tests.tasks.tiny import Data, task, trainer

Call = Callable[..., tuple[int, str, str]]


def trial(folder: Path, accumulate: int = 1, *callbacks: pl.Callback) -> Any:
    data = Data()
    data.num_workers = 0

    def make(max_steps: int, own: list[pl.Callback], num_workers: int) -> pl.Trainer:
        more = {"max_steps": max_steps, "accumulate_grad_batches": accumulate}
        return trainer(folder, *own, *callbacks, epochs=-1, limit_val_batches=0, **more)

    cfg = SimpleNamespace(optimizer=SimpleNamespace(lr=0.1))
    return SimpleNamespace(cfg=cfg, task=task(lr=0.1), data=data, trainer=make)


class Rates(pl.Callback):
    """The rates of all groups at every optimizer step."""

    def __init__(self) -> None:
        self.seen: list[list[float]] = []

    def on_before_optimizer_step(self, trainer: Any, module: Any, optimizer: Any) -> None:
        self.seen.append([group["lr"] for group in optimizer.param_groups])


def test_rates_grow_by_one_factor_and_groups_keep_apart(tmp_path: Path) -> None:
    seen = Rates()
    made = trial(tmp_path, 1, seen)
    made.task.finetune = FineTuning(head_lr=0.5)
    network = made.task.network
    network.head = network.fc2  # the name by which the head is known
    del network.fc2
    network.forward = partial(_forward, network)
    made.task.finetune.apply(network)
    rates, losses = range_test(made, 1e-5, 1e-2, 31)
    assert len(rates) == len(losses) == 31
    assert rates[[0, 10, 30]] == pytest.approx([1e-5, 1e-4, 1e-2])
    rows = np.array(seen.seen)
    assert rows[:, 0] == pytest.approx(rates)
    assert rows[:, 1] == pytest.approx(rates / 2)


def _forward(network: Any, batch: dict[str, Any]) -> torch.Tensor:
    x = network.norm1(network.fc1(network.norm(batch["x"].flatten(1)))).relu()
    return network.head(x)[:, None]


def test_accumulated_batches_are_one_step_and_the_loss_is_their_mean(tmp_path: Path) -> None:
    one = range_test(trial(tmp_path), 1e-9, 1e-8, 12)[1]  # the weights hardly move
    three = range_test(trial(tmp_path, 3), 1e-9, 1e-8, 12)[1]
    assert len(three) == 12
    assert three[0] == pytest.approx(one[:3].mean(), rel=1e-3)


def test_it_ends_when_the_loss_leaves_all_bounds(tmp_path: Path) -> None:
    rates, losses = range_test(trial(tmp_path), 1e-3, 1e9, 60)
    assert 10 < len(rates) < 60
    assert losses[-1] > 4 * smoothed(losses).min() or not np.isfinite(losses[-1])


def test_the_steepest_fall_is_named() -> None:
    rates = np.logspace(-6, 0, 121)
    fall = -1 / (1 + np.exp(-4 * (np.log10(rates) + 2.5)))  # steepest at 10^-2.5
    rise = np.maximum(0, np.log10(rates) + 1) * 3  # after 0.1 it grows
    assert suggestion(rates, fall + rise) == pytest.approx(10**-2.5, rel=0.1)
    assert rates[lowest(fall + rise)] == pytest.approx(0.1, rel=0.2)
    with pytest.raises(UserError, match="did not fall anywhere"):
        suggestion(rates, rates)


def test_the_running_mean_is_not_drawn_to_zero_at_its_beginning() -> None:
    assert smoothed(np.full(5, 2.0)) == pytest.approx([2.0] * 5)
    assert smoothed(np.array([1.0, 3.0]))[1] == pytest.approx((0.95 + 3) / 1.95)


def test_from_the_command_line(stfw: Call, tmp_path: Path) -> None:
    words = [
        *TINY,
        "optimizer.base_batch_size=2",
        "--steps",
        "20",
        "--out",
        str(tmp_path / "c.csv"),
    ]
    status, told, error = stfw("tune", "lr", *words)
    assert status == 0, error
    lines = told.strip().splitlines()
    assert lines[0] == "20 steps with batches of 4, 1e-06 to 1"
    rows = list(csv.DictReader((tmp_path / "c.csv").open()))
    assert 10 < len(rows) <= 20
    steepest = float(lines[-2].split()[2].rstrip(","))
    assert lines[-2].endswith("for a batch of 2")
    key, value = lines[-1].split("=")
    assert key == "optimizer.lr"  # for half the batch half the rate
    assert float(value) == pytest.approx(steepest / 2, rel=0.05)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--min", "1", "--max", "0.1"], "--min 1 must lie above 0 and below --max 0.1"),
        (["--steps", "3"], "--steps 3 is too few"),
        (["--out", "curve.pdf"], "--out curve.pdf: give a .csv or .png file"),
        (["optimizer.lrr=1"], "optimizer.lrr: no such key; did you mean 'lr'?"),
    ],
)
def test_mistakes_are_named(stfw: Call, words: list[str], message: str) -> None:
    status, _, told = stfw("tune", "lr", *words)
    assert status == 2
    assert message in told
