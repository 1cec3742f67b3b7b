"""Averages against arithmetic; they are what is validated, tested, saved and gone on from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor

from stfw.callbacks.averaging import Ema, Swa
from stfw.callbacks.checkpoint import Best, Last
from stfw.callbacks.precise_bn import PreciseBN
from stfw.runs.checkpoint_io import load
from stfw.types import UserError
from tests.tasks.tiny import Data, task, trainer, weights

State = dict[str, Tensor]


class Seen(pl.Callback):
    """The weights after every step, and those that are validated and tested."""

    def __init__(self) -> None:
        self.steps: list[State] = []
        self.validated: list[State] = []
        self.tested: list[State] = []

    def on_train_batch_end(self, trainer: Any, module: Any, *_: Any) -> None:
        self.steps.append(weights(module))

    def on_validation_batch_start(self, trainer: Any, module: Any, *_: Any) -> None:
        self.validated.append(weights(module))

    def on_test_batch_start(self, trainer: Any, module: Any, *_: Any) -> None:
        self.tested.append(weights(module))


def same(one: State, other: State) -> bool:
    return all(torch.allclose(one[k], other[k], rtol=1e-4, atol=1e-6) for k in one)


def ema(steps: list[State], decay: float, warmup: bool) -> State:
    """The definition, by hand: the first weights as they are, then a share of each."""
    average = {k: x.double() for k, x in steps[0].items()}
    for n, state in enumerate(steps[1:], start=1):
        d = min(decay, (1 + n) / (10 + n)) if warmup else decay
        average = {k: d * x + (1 - d) * state[k] for k, x in average.items()}
    counts = {k: x for k, x in steps[-1].items() if not x.is_floating_point()}
    return {k: x.float() for k, x in average.items()} | counts


@pytest.mark.parametrize(("decay", "warmup"), [(0.8, False), (0.8, True), (0.15, True)])
def test_ema_is_the_average_of_its_definition(tmp_path: Path, decay: float, warmup: bool) -> None:
    seen, module = Seen(), task()
    trainer(tmp_path, seen, Ema(decay, warmup)).fit(module, Data())
    assert len(seen.steps) == 6
    for epoch, validated in enumerate(seen.validated):
        expected = ema(seen.steps[: 3 * (epoch + 1)], decay, warmup)
        assert same(validated, expected)
        assert not same(validated, seen.steps[3 * epoch + 2])
    assert same(weights(module), ema(seen.steps, decay, warmup))


def test_ema_changes_nothing_of_what_learns(tmp_path: Path) -> None:
    with_it, without = Seen(), Seen()
    trainer(tmp_path, with_it, Ema(0.5)).fit(task(), Data())
    trainer(tmp_path, without).fit(task(), Data())
    assert all(
        torch.equal(a[k], b[k])
        for a, b in zip(with_it.steps, without.steps, strict=True)
        for k in a
    )


def test_swa_is_the_mean_of_the_last_epochs(tmp_path: Path) -> None:
    seen, module = Seen(), task()
    trainer(tmp_path, seen, Swa(start=0.5), epochs=4).fit(module, Data())
    ends = seen.steps[2::3]
    assert same(seen.validated[0], ends[0])  # before it begins
    assert same(seen.validated[1], ends[1])
    assert same(seen.validated[2], ends[2])
    mean = {k: (ends[2][k] + ends[3][k]) / 2 for k in ends[2]}
    mean |= {k: x for k, x in ends[3].items() if not x.is_floating_point()}
    assert same(seen.validated[3], mean)
    assert same(weights(module), mean)


def test_swa_begins_at_an_epoch_too(tmp_path: Path) -> None:
    first, second = Seen(), Seen()
    trainer(tmp_path, first, Swa(start=2), epochs=4).fit(task(), Data())
    trainer(tmp_path, second, Swa(start=0.5), epochs=4).fit(task(), Data())
    assert all(same(a, b) for a, b in zip(first.validated, second.validated, strict=True))


@pytest.mark.parametrize("start", [0.0, 0.5])
def test_swa_that_no_epoch_reaches_is_the_weights_as_they_are(tmp_path: Path, start: float) -> None:
    seen, module = Seen(), task()
    trainer(tmp_path, seen, Swa(start), epochs=4, max_steps=2).fit(module, Data())
    assert len(seen.steps) == 2
    assert same(weights(module), seen.steps[1])


@pytest.mark.parametrize("average", [lambda: Ema(0.7), lambda: Swa(0.25)])
def test_checkpoints_hold_the_average_and_it_is_tested(tmp_path: Path, average: Any) -> None:
    folder = tmp_path / "checkpoints"
    seen, module = Seen(), task()
    best = Best(str(folder), monitor="epoch", mode="min")  # the first
    run = trainer(
        tmp_path, seen, best, Last(str(folder)), average(), epochs=4, enable_checkpointing=True
    )
    run.fit(module, Data())
    kept = {name: load(folder / f"{name}.ckpt") for name in ("best", "last")}  # weights_only=True
    for content in kept.values():
        assert same(content["state_dict"], seen.validated[content["epoch"]])
        learning = seen.steps[3 * content["epoch"] + 2]
        assert same(content["current_model_state"], learning)
    assert kept["best"]["epoch"] != kept["last"]["epoch"]
    # the best one's average, not the last one's, nor the weights that learn
    run.validate(module, Data(), ckpt_path=folder / "best.ckpt", verbose=False)
    assert same(seen.validated[-1], kept["best"]["state_dict"])
    run.test(module, Data(), ckpt_path=folder / "best.ckpt", verbose=False)
    assert same(seen.tested[-1], kept["best"]["state_dict"])


@pytest.mark.parametrize(
    "parts", [lambda: [Ema(0.7)], lambda: [Swa(2)], lambda: [PreciseBN(), Ema(0.7)]]
)
def test_a_run_that_was_killed_goes_on_bit_for_bit(tmp_path: Path, parts: Any) -> None:
    states = {}
    for name, cuts in (("whole", [4]), ("parts", [3, 4])):
        folder = tmp_path / name
        for number, epochs in enumerate(cuts):
            run = trainer(
                folder, *parts(), Last(str(folder)), epochs=epochs, enable_checkpointing=True
            )
            run.fit(task(), Data(), ckpt_path=folder / "last.ckpt" if number else None)
        states[name] = load(folder / "last.ckpt")
    for key in ("state_dict", "current_model_state", "averaging_state"):
        one, other = states["whole"][key], states["parts"][key]
        assert one.keys() == other.keys()
        assert all(torch.equal(one[k], other[k]) for k in one), key


def test_two_averages_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="choose one of them"):
        trainer(tmp_path, Ema(), Swa()).fit(task(), Data())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Ema(decay=1.0), "callbacks.ema.decay=1.0 is not in 0..1"),
        (lambda: Swa(start=-1), "callbacks.swa.start=-1 is below 0"),
    ],
)
def test_mistakes_are_named(make: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        make()
