"""The rate for another batch than the recipe's."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from stfw.tasks.lr_scaling import lr_factor
from stfw.tasks.schedules import cosine
from stfw.types import UserError
from tests.tasks.tiny import Data, task, trainer


def test_twice_the_batch_is_twice_the_rate_or_its_root_or_the_same() -> None:
    assert lr_factor(128, 64, "linear") == 2.0
    assert lr_factor(16, 64, "linear") == 0.25
    assert lr_factor(128, 64, "sqrt") == pytest.approx(math.sqrt(2))
    assert lr_factor(128, 64, "off") == 1.0
    assert lr_factor(128, None, "linear") == 1.0
    with pytest.raises(UserError, match="base_batch_size=0 is below 1"):
        lr_factor(8, 0, "linear")


def test_the_optimizer_and_its_schedule_take_it(tmp_path: Path) -> None:
    seen = {}
    for factor in (1.0, 2.0):
        module = task(lr=0.1, lr_scheduler=cosine)
        module.lr_factor = factor
        trainer(tmp_path, epochs=2, max_steps=3).fit(module, Data())
        seen[factor] = (
            module.optimizers().param_groups[0]["lr"],
            torch.cat(  # type: ignore[union-attr]
                [p.detach().flatten() for p in module.parameters()]
            ),
        )
    assert seen[2.0][0] == pytest.approx(2 * seen[1.0][0])
    assert not torch.allclose(seen[1.0][1], seen[2.0][1])
