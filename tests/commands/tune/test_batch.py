"""Batches that fit, and the end of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from stfw.commands.tune import TOOLS
from stfw.commands.tune import batch as module
from stfw.commands.tune._trial import Trial, prepare
from tests.command_line import TINY

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def trial() -> Trial:
    return prepare(TINY)


def test_sizes_double_up_to_the_videos_there_are(stfw: Call) -> None:
    words = [*TINY, "lr_scheduler=plateau"]  # whose score is never there
    status, told, error = stfw("tune", "batch", *words, "--min", "4", "--steps", "1")
    assert status == 0, error
    head, *rows, end, last = told.strip().splitlines()[-6:]
    assert head.split()[0] == "batch"
    assert [row.split()[0] for row in rows] == ["4", "8", "16"]
    assert all(float(row.split()[2]) > 0 for row in rows)
    assert end == "there are 16 training videos"
    assert last == "data.batch_size=16"


def test_a_batch_that_does_not_fit_ends_the_search(trial: Trial) -> None:
    sample = trial.data.dataset("train")[0]
    seen = []

    def small_gpu(batch: Any, forward: Any = trial.task.network.forward) -> Any:
        seen.append(len(batch["label"]))
        if len(batch["label"]) > 4:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return forward(batch)

    trial.task.network.forward = small_gpu
    fits = module.measure(trial, sample, 4, num_steps=2)
    assert fits is not None
    assert fits.step_sec > 0
    assert seen == [4] * 3  # one before the two that are timed
    assert module.measure(trial, sample, 8, num_steps=2) is None


def test_a_machine_without_gpu_stops_before_its_memory_is_gone(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [module.Cost(2, 0.1, 1000), module.Cost(4, 0.1, 3000)]  # the next takes 4000 more
    monkeypatch.setattr(module, "available_memory", lambda: 5000)
    assert module.reason_to_end(found, 8, 64, 100, trial) == ""
    monkeypatch.setattr(module, "available_memory", lambda: 3000)
    assert "8 would not fit" in module.reason_to_end(found, 8, 64, 100, trial)
    assert module.reason_to_end(found, 8, 4, 100, trial) == "--max 4 is reached"


def test_the_tools_are_listed_and_mistyped_ones_answered(stfw: Call) -> None:
    status, told, _ = stfw("tune")
    assert status == 0
    assert all(f"  {name} " in told for name in TOOLS)
    status, _, told = stfw("tune", "bach")
    assert (status, told.strip()) == (2, "stfw: tune bach: no such tool; did you mean 'batch'?")
    status, _, told = stfw("tune", "batch", "--min", "0")
    assert status == 2
    assert "--min 0 must be at least 1" in told
