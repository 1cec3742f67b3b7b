"""Measured statistics against those of all training data at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch

from stfw.callbacks.averaging import Ema
from stfw.callbacks.precise_bn import Moments, PreciseBN
from stfw.tasks.param_groups import FineTuning
from stfw.types import UserError
from tests.tasks.tiny import Data, task, trainer, weights


class Validated(pl.Callback):
    def on_validation_batch_start(self, trainer: Any, module: Any, *_: Any) -> None:
        self.state = weights(module)


def test_statistics_are_those_of_the_whole_training_data(tmp_path: Path) -> None:
    seen, data = Validated(), Data()
    trainer(tmp_path, PreciseBN(num_batches=None), seen).fit(task(mix=True), data)
    x_BC = data.x.flatten(1).double()  # the first norm's input, of batches of 4, 4 and 2
    state = seen.state
    torch.testing.assert_close(state["network.norm.running_mean"], x_BC.mean(0).float())
    torch.testing.assert_close(state["network.norm.running_var"], x_BC.var(0).float())
    # the second norm's: what the first gives of each batch, through the validated weights
    parts = []
    for begin, end in ((0, 4), (4, 8), (8, 10)):
        x = x_BC[begin:end]
        x = (x - x.mean(0)) / (x.var(0, correction=0) + 1e-5).sqrt()
        x = x * state["network.norm.weight"] + state["network.norm.bias"]
        parts.append(x @ state["network.fc1.weight"].double().T + state["network.fc1.bias"])
    h_BC = torch.cat(parts)
    torch.testing.assert_close(state["network.norm1.running_mean"], h_BC.mean(0).float())
    torch.testing.assert_close(state["network.norm1.running_var"], h_BC.var(0).float())


def test_the_remembered_ones_are_others_and_training_is_the_same(tmp_path: Path) -> None:
    seen = {}
    for name, parts in (("measured", [PreciseBN()]), ("remembered", [])):
        validated, module = Validated(), task()
        trainer(tmp_path, *parts, validated).fit(module, Data())
        seen[name] = validated.state
    one, other = seen["measured"], seen["remembered"]
    for name in one:
        if "running" in name:
            assert not torch.allclose(one[name], other[name]), name
        else:
            assert torch.equal(one[name], other[name]), name


@pytest.mark.parametrize("first", [True, False])
def test_of_an_average_it_is_the_average_that_is_measured(tmp_path: Path, first: bool) -> None:
    seen = Validated()
    parts = [PreciseBN(), Ema(0.9)] if first else [Ema(0.9), PreciseBN()]
    module, data = task(), Data()
    trainer(tmp_path, *parts, seen).fit(module, data)
    state, parts_of_x = seen.state, []
    for begin, end in ((0, 4), (4, 8), (8, 10)):
        x = data.x[begin:end].flatten(1).double()
        x = (x - x.mean(0)) / (x.var(0, correction=0) + 1e-5).sqrt()
        x = x * state["network.norm.weight"] + state["network.norm.bias"]
        parts_of_x.append(x @ state["network.fc1.weight"].double().T + state["network.fc1.bias"])
    mean = torch.cat(parts_of_x).mean(0).float()
    torch.testing.assert_close(state["network.norm1.running_mean"], mean)
    # what was validated is what stays
    name = "network.norm1.running_mean"
    torch.testing.assert_close(weights(module)[name], mean)


def test_frozen_norms_stay_as_they_are(tmp_path: Path) -> None:
    module = task()
    module.finetune = FineTuning(freeze=["norm"])
    module.finetune.apply(module.network)
    module.train()
    seen = Validated()
    trainer(tmp_path, PreciseBN(), seen).fit(module, Data())
    assert (seen.state["network.norm.running_mean"] == 0).all()
    assert (seen.state["network.norm1.running_mean"] != 0).all()


def test_so_many_batches_are_enough(tmp_path: Path) -> None:
    seen, data = Validated(), Data()
    trainer(tmp_path, PreciseBN(num_batches=2), seen).fit(task(), data)
    expected = data.x[:8].flatten(1).mean(0)
    torch.testing.assert_close(seen.state["network.norm.running_mean"], expected)
    with pytest.raises(UserError, match="num_batches=0 is below 1"):
        PreciseBN(0)


def test_moments_of_parts_are_those_of_the_whole() -> None:
    torch.manual_seed(0)
    x = torch.randn(9, 4, 2, 3) * 5 + 100  # far from 0, where sums of squares lose digits
    moments = Moments(4, torch.device("cpu"))
    for part in x.split([1, 5, 3]):
        moments.add(part)
    mean_C, var_C = moments.over_ranks()
    rows = x.double().transpose(0, 1).flatten(1)
    torch.testing.assert_close(mean_C, rows.mean(1), rtol=1e-6, atol=0)
    torch.testing.assert_close(var_C, rows.var(1), rtol=1e-5, atol=0)
