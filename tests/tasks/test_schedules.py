"""Learning rates over a run, by arithmetic."""

from __future__ import annotations

import itertools

import pytest
import torch

from stfw.tasks.schedules import cosine, multistep
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


def test_a_negative_warm_up_is_refused() -> None:
    with pytest.raises(UserError, match=r"warmup_epochs=-1"):
        rates(cosine, 10, warmup_epochs=-1)
