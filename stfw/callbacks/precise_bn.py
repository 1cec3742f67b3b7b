"""Batch norm's statistics of the training data, measured instead of remembered."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytorch_lightning as pl
import torch
import torch.distributed
from pytorch_lightning.trainer.states import TrainerFn
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from stfw.types import UserError


class PreciseBN(pl.Callback):
    """Measures batch norms' means and variances before every validation (Wu & Johnson 2021).

    Training remembers them as a moving average over weights that have changed meanwhile. Here the
    weights stand still: the network, in training mode, sees training clips that are cut like those
    of training, but not mixed, and each norm's input is measured over all of them.

    Norms that are frozen stay as they are. With an average of the weights (``ema``, ``swa``) it is
    the average that is measured.

    Args:
        num_batches: training batches per process, at most an epoch's; null: all of it.

    Raises:
        UserError: num_batches below 1.
    """

    def __init__(self, num_batches: int | None = 200) -> None:
        if num_batches is not None and num_batches < 1:
            raise UserError(f"callbacks.precise_bn.num_batches={num_batches} is below 1")
        self.num_batches = num_batches

    def on_validation_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.state.fn != TrainerFn.FITTING:
            return  # a checkpoint has its own
        with training_mode(pl_module):
            norms = [
                module
                for module in pl_module.modules()
                if isinstance(module, _BatchNorm) and module.training and module.track_running_stats
            ]
            if norms:
                self._measure(trainer, pl_module, norms)

    @torch.no_grad()
    def _measure(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, norms: list[_BatchNorm]
    ) -> None:
        module: Any = pl_module
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        num_batches = min(self.num_batches or math.inf, trainer.num_training_batches)
        moments = [Moments(norm.num_features, module.device) for norm in norms]
        with ExitStack() as stack:
            for norm, measured in zip(norms, moments, strict=True):
                stack.enter_context(_listening(norm, measured))
            for batch in itertools.islice(data.train_dataloader(), int(num_batches)):
                batch = trainer.strategy.batch_to_device(batch)
                with trainer.precision_plugin.train_step_context():
                    module.network(module.batch_transform(batch))
        for norm, measured in zip(norms, moments, strict=True):
            mean_C, var_C = measured.over_ranks()
            norm.running_mean.copy_(mean_C)  # type: ignore[union-attr]
            norm.running_var.copy_(var_C)  # type: ignore[union-attr]


class Moments:
    """Mean and variance per channel of what comes bit by bit, in double precision.

    Args:
        num_channels: C.
        device: where they are kept.
    """

    def __init__(self, num_channels: int, device: torch.device) -> None:
        precise = torch.float32 if device.type == "mps" else torch.float64
        self.count = torch.zeros((), dtype=precise, device=device)
        self.mean_C = torch.zeros(num_channels, dtype=precise, device=device)
        self.square_C = torch.zeros_like(self.mean_C)  # sum of squared distances from the mean

    def add(self, x: Tensor) -> None:
        """Takes in ``x``, B C ..., as Chan et al. 1983 join two parts."""
        axes = [axis for axis in range(x.ndim) if axis != 1]
        count = self.count.new_tensor(x.numel() / x.shape[1])
        var_C, mean_C = torch.var_mean(x.float(), axes, correction=0)
        self._join(count, mean_C.to(self.mean_C), var_C.to(self.mean_C) * count)

    def _join(self, count: Tensor, mean_C: Tensor, square_C: Tensor) -> None:
        total = self.count + count
        apart_C = mean_C - self.mean_C
        self.square_C += square_C + apart_C**2 * self.count * count / total
        self.mean_C += apart_C * count / total
        self.count = total

    def over_ranks(self) -> tuple[Tensor, Tensor]:
        """Mean and unbiased variance of what all processes have taken in."""
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            mine = torch.cat([self.count[None], self.mean_C, self.square_C])
            by_rank = [torch.empty_like(mine) for _ in range(torch.distributed.get_world_size())]
            torch.distributed.all_gather(by_rank, mine)
            joined = Moments(len(self.mean_C), self.mean_C.device)
            for part in by_rank:
                joined._join(part[0], *part[1:].chunk(2))
            self.count, self.mean_C, self.square_C = joined.count, joined.mean_C, joined.square_C
        return self.mean_C, self.square_C / (self.count - 1).clamp_min(1)


@contextmanager
def training_mode(module: pl.LightningModule) -> Iterator[None]:
    """The module in training mode, without its batch transform; then in evaluation mode again."""
    module.train()
    module.batch_transform.eval()  # type: ignore[union-attr]
    try:
        yield
    finally:
        module.eval()


@contextmanager
def _listening(norm: _BatchNorm, moments: Moments) -> Iterator[None]:
    """Measures a norm's input; its own statistics stand still."""
    handle = norm.register_forward_pre_hook(lambda _, inputs: moments.add(inputs[0]))
    norm.track_running_stats = False
    try:
        yield
    finally:
        norm.track_running_stats = True
        handle.remove()
