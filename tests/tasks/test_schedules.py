"""Learning rates over a run, by arithmetic."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import torch

from stfw.tasks.schedules import constant, cosine, multistep, onecycle, plateau
from stfw.types import UserError


def rates(make, num_steps: int, **arguments: object) -> list[float]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = make(optimizer, num_steps, 10, **arguments)
    seen = []
    for _ in range(num_steps):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return seen


def test_cosine_warms_up_and_falls_to_its_end() -> None:
    seen = rates(cosine, 100, warmup_epochs=1.0, final_factor=0.1)
    assert seen[:10] == pytest.approx([(i + 1) / 11 for i in range(10)])
    assert max(seen) == pytest.approx(1.0)
    assert seen[55] == pytest.approx(0.55)  # half way down from 1 to 0.1
    assert seen[-1] == pytest.approx(0.1, abs=0.01)
    assert all(a >= b for a, b in itertools.pairwise(seen[10:]))


def test_multistep_drops_at_shares_or_epochs() -> None:
    by_share = rates(multistep, 100, milestones=[0.5, 0.75], gamma=0.1)
    by_epoch = rates(multistep, 100, milestones=[5, 7.5], gamma=0.1)
    assert by_share == pytest.approx(by_epoch)
    assert [by_share[i] for i in (0, 49, 50, 74, 75, 99)] == pytest.approx(
        [1, 1, 0.1, 0.1, 0.01, 0.01]
    )


@pytest.mark.parametrize("make", [constant, cosine, multistep, onecycle])
def test_a_run_of_no_epochs_only_tests(make) -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0, momentum=0.9)
    milestones = {"milestones": [100, 150]} if make is multistep else {}
    make(optimizer, 0, 0, **milestones)
    assert optimizer.param_groups[0]["lr"] > 0


def test_a_negative_warm_up_is_refused() -> None:
    with pytest.raises(UserError, match=r"warmup_epochs=-1"):
        rates(cosine, 10, warmup_epochs=-1)


def test_warm_up_begins_where_it_is_told() -> None:
    seen = rates(constant, 100, warmup_epochs=1.0, warmup_factor=0.2)
    assert seen[:10] == pytest.approx([0.2 + 0.8 * (i + 1) / 11 for i in range(10)])
    assert set(seen[10:]) == {1.0}
    with pytest.raises(UserError, match=r"warmup_factor=2 is not in 0..1"):
        rates(constant, 10, warmup_factor=2)


def test_cosine_may_stay_at_its_end() -> None:
    seen = rates(cosine, 100, final_factor=0.1, hold=0.25)
    assert seen[0] == pytest.approx(1.0)
    assert seen[75:] == pytest.approx([0.1] * 25)
    assert seen[37] > seen[38] > 0.5


def test_one_cycle_rises_to_the_rate_of_each_group_and_falls_below_its_start() -> None:
    fast, slow = torch.nn.Parameter(torch.zeros(1)), torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD(
        [{"params": [fast], "lr": 1.0}, {"params": [slow], "lr": 0.1}], lr=9.0, momentum=0.9
    )
    scheduler = onecycle(optimizer, 100, 10, rise=0.3, start_divisor=10.0, final_divisor=100.0)
    seen = []
    for _ in range(100):
        momentum = optimizer.param_groups[0]["momentum"]
        seen.append(([group["lr"] for group in optimizer.param_groups], momentum))
        optimizer.step()
        scheduler.step()
    assert seen[0][0] == pytest.approx([0.1, 0.01])
    assert seen[29][0] == pytest.approx([1.0, 0.1])
    assert seen[99][0] == pytest.approx([0.001, 0.0001])
    assert (seen[0][1], seen[29][1]) == pytest.approx((0.95, 0.85))


def test_plateau_warms_up_and_drops_when_the_score_stands_still() -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    drops, warm = plateau(optimizer, 40, 10, patience=1, gamma=0.5, warmup_epochs=1, min_factor=0.2)
    assert (drops["interval"], drops["monitor"], warm["interval"]) == ("epoch", "val/loss", "step")
    losses = [1.0, 0.9, 0.9, 0.95, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8]  # better in epochs 0, 1 and 4
    by_epoch = []
    for epoch in range(10):
        for step in range(4):
            if epoch == 0:
                assert optimizer.param_groups[0]["lr"] == pytest.approx((step + 1) / 5)
            optimizer.step()
            warm["scheduler"].step()
        drops["scheduler"].step(losses[epoch])
        by_epoch.append(optimizer.param_groups[0]["lr"])
    assert by_epoch == pytest.approx([1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.2, 0.2])


def test_plateau_follows_the_validation_of_a_run(tmp_path: Path) -> None:
    from functools import partial

    from tests.tasks.tiny import Data, task, trainer

    # no score is better by 100: after the first, every other one is one too many
    schedule = partial(plateau, patience=0, gamma=0.1, min_delta=100.0)
    module = task(lr=0.1, lr_scheduler=schedule)
    trainer(tmp_path, epochs=3).fit(module, Data())
    assert module.optimizers().param_groups[0]["lr"] == pytest.approx(0.001)  # type: ignore[union-attr]
    rare = task(lr=0.1, lr_scheduler=schedule)
    trainer(tmp_path, epochs=4, check_val_every_n_epoch=2).fit(rare, Data())
    assert rare.optimizers().param_groups[0]["lr"] == pytest.approx(0.01)  # type: ignore[union-attr]
