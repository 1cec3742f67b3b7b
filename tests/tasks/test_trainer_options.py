"""Options of the trainer and of the network, on a training of a tenth of a second."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch

from stfw.assemble import assemble_network, prepare_network
from stfw.build import Build
from stfw.callbacks.averaging import Ema
from stfw.callbacks.checkpoint import Last
from stfw.config import compose
from stfw.runs.checkpoint_io import load
from stfw.tasks.classification import Classification
from stfw.tasks.param_groups import FineTuning
from tests.tasks.tiny import Data, Net, task, trainer, weights


class Steps(pl.Callback):
    """How far the weights go with each batch."""

    def __init__(self) -> None:
        self.far: list[dict[str, torch.Tensor]] = []

    def on_train_batch_start(self, trainer: Any, module: Any, *_: Any) -> None:
        self.before = {n: p.detach().clone() for n, p in module.named_parameters()}

    def on_train_batch_end(self, trainer: Any, module: Any, *_: Any) -> None:
        self.far.append({n: p.detach() - self.before[n] for n, p in module.named_parameters()})

    def norms(self) -> list[float]:
        return [float(torch.cat([x.flatten() for x in far.values()]).norm()) for far in self.far]


def plain(lr: float = 0.1) -> Classification:
    """Without momentum, and without batch norm's dependence on the batch."""
    module = task(lr=lr)
    module.make_optimizer = lambda groups: torch.optim.SGD(groups, lr=lr)
    module.finetune = FineTuning(freeze=["norm", "norm1"])
    module.finetune.apply(module.network)
    return module.train()


def test_accumulated_batches_are_one_step(tmp_path: Path) -> None:
    seen, apart, data = Steps(), plain(), Data()
    trainer(tmp_path, seen, epochs=1, accumulate_grad_batches=2).fit(apart, data)
    assert [norm > 0 for norm in seen.norms()] == [False, True, True]  # 4 + 4 videos, and 2
    together = plain()
    for cut in ((0, 8), (8, 10)):
        batch = next(iter(data._load([cut])))
        share = 1.0 if cut == (0, 8) else 0.5  # Lightning divides the last one by two as well
        loss = share * together.loss(together.network(batch)[:, 0], batch["label"])
        together.zero_grad()
        loss.backward()
        with torch.no_grad():
            for parameter in together.network.parameters():
                if parameter.grad is not None:
                    parameter -= 0.1 * parameter.grad
    one, other = weights(apart), weights(together)
    for name in one:
        torch.testing.assert_close(one[name], other[name], msg=name)


@pytest.mark.parametrize("algorithm", [None, "norm", "value"])
def test_gradients_are_clipped_by_norm_or_by_value(tmp_path: Path, algorithm: str | None) -> None:
    seen, free = Steps(), Steps()
    clip = {"gradient_clip_val": 0.01, "gradient_clip_algorithm": algorithm}
    trainer(tmp_path, seen, epochs=1, **clip).fit(plain(), Data())
    trainer(tmp_path, free, epochs=1).fit(plain(), Data())
    assert min(free.norms()) > 0.1 * 0.02
    if algorithm == "value":
        assert max(float(x.abs().max()) for far in seen.far for x in far.values()) <= 0.1 * 0.0101
        assert max(seen.norms()) > 0.1 * 0.0101
    else:
        assert seen.norms() == pytest.approx([0.1 * 0.01] * 3, rel=1e-3)


def test_bf16_computes_in_bf16_and_learns_in_float32(tmp_path: Path) -> None:
    kinds = set()
    module = task(lr=0.005)
    module.network.fc2.register_forward_hook(lambda _, __, y: kinds.add(y.dtype))
    trainer(tmp_path, max_steps=1, precision="bf16-mixed").fit(module, Data())
    assert kinds == {torch.bfloat16}
    assert {p.dtype for p in module.parameters()} == {torch.float32}
    exact = task(lr=0.005)
    trainer(tmp_path, max_steps=1).fit(exact, Data())
    assert not torch.equal(exact.network.fc1.weight, module.network.fc1.weight)
    exactly, roughly = exact.network.fc1.weight, module.network.fc1.weight
    torch.testing.assert_close(exactly, roughly, rtol=0.01, atol=0.001)


def test_a_compiled_network_learns_the_same_and_its_checkpoint_knows_nothing_of_it(
    tmp_path: Path,
) -> None:
    from torch._dynamo.utils import counters

    torch._dynamo.reset()
    counters.clear()
    cfg = compose("train", ["compile=default"]).cfg
    module, exact = task(), task()
    prepare_network(cfg, module.network)
    last = Last(str(tmp_path))
    one = {"limit_train_batches": 2, "limit_val_batches": 0}  # one shape, so that it compiles once
    trainer(tmp_path, last, Ema(0.9), enable_checkpointing=True, **one).fit(module, Data())
    assert counters["stats"]["unique_graphs"] >= 1
    trainer(tmp_path, Ema(0.9), **one).fit(exact, Data())
    kept = load(tmp_path / "last.ckpt")["state_dict"]
    fresh = Net()
    fresh.load_state_dict({k.removeprefix("network."): x for k, x in kept.items()})
    for name, value in exact.network.state_dict().items():
        torch.testing.assert_close(fresh.state_dict()[name], value, rtol=1e-3, atol=1e-5)
    assert copy.deepcopy(module.network).state_dict().keys() == fresh.state_dict().keys()


@pytest.mark.parametrize(
    ("words", "convolution", "order", "shape"),
    [
        (["model=r3d_18"], torch.nn.Conv3d, torch.channels_last_3d, (2, 1, 1, 3, 4, 32, 32)),
        (
            ["model=tsn", "encoder.name=resnet18"],
            torch.nn.Conv2d,
            torch.channels_last,
            (2, 1, 2, 3, 1, 64, 64),
        ),
    ],
)
def test_channels_last_gives_the_same_numbers_in_another_order(
    words: list[str],
    convolution: type[torch.nn.Module],
    order: torch.memory_format,
    shape: tuple[int, ...],
) -> None:
    cfg = compose("train", [*words, "channels_last=true"]).cfg
    torch.manual_seed(0)
    usual = assemble_network(cfg, Build(), 5).eval()
    network = copy.deepcopy(usual)
    prepare_network(cfg, network)
    orders = []
    for module in network.modules():
        if isinstance(module, convolution):
            module.register_forward_hook(
                lambda _, __, y: orders.append(y.is_contiguous(memory_format=order))
            )
    batch = {"rgb": torch.randn(shape)}
    given, expected = network(batch), usual(batch)
    assert len(orders) > 15
    assert all(orders)
    torch.testing.assert_close(given, expected, rtol=1e-4, atol=1e-5)
    for one in (given, expected):
        one.square().mean().backward()
    for (name, one), (_, other) in zip(
        network.named_parameters(), usual.named_parameters(), strict=True
    ):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-3, atol=1e-5, msg=name)
    assert network.state_dict().keys() == usual.state_dict().keys()
