"""Averages of a run's weights, which are what is validated, tested and saved.

Lightning's ``WeightAveraging`` keeps the average beside the weights that learn and exchanges the
two around a validation; ``best.ckpt`` and ``last.ckpt`` hold the average as ``state_dict`` and the
other beside it, so that a run goes on from both. Lightning's older ``StochasticWeightAveraging``
would neither validate nor keep the average before the end, and wants a schedule of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import WeightAveraging
from pytorch_lightning.strategies import FSDPStrategy
from pytorch_lightning.trainer.states import TrainerFn
from torch import Tensor

from stfw.types import UserError


class _Averaging(WeightAveraging):
    """What both kinds of average share.

    Args:
        weight_of: number of averages taken so far to the weight of the next weights.
        device: where the average is kept; None: beside the weights.
    """

    def __init__(self, weight_of: Callable[[int], float], device: str | None) -> None:
        @torch.no_grad()
        def towards(
            average: list[Tensor], current: list[Tensor], num_averaged: Tensor | int
        ) -> None:
            if average[0].is_floating_point():  # they come grouped by kind
                torch._foreach_lerp_(average, current, weight_of(int(num_averaged)))
            else:  # batch norm's count of batches
                torch._foreach_copy_(average, current)

        super().__init__(device, use_buffers=True, multi_avg_fn=towards)

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        if isinstance(trainer.strategy, FSDPStrategy):
            raise UserError(
                f"callbacks={type(self).__name__.lower()}: weights that trainer=fsdp shards cannot "
                "be averaged; choose trainer=ddp"
            )
        callbacks: list[pl.Callback] = trainer.callbacks  # type: ignore[attr-defined]
        if sum(isinstance(part, _Averaging) for part in callbacks) > 1:
            raise UserError(
                "callbacks=[ema,swa]: a run validates and saves one average of its weights; choose "
                "one of them"
            )
        super().setup(trainer, pl_module, stage)

    # exchanged before any callback's on_validation_epoch_start, so that one which measures the
    # network there (PreciseBN) sees the average, whichever of the two stands first
    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        super().on_validation_epoch_start(trainer, pl_module)

    def on_validation_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        pass

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        super().on_train_end(trainer, pl_module)
        self._average_model = None  # what is loaded and tested from here on is the average itself

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        if trainer.state.fn == TrainerFn.FITTING:
            super().on_load_checkpoint(trainer, pl_module, checkpoint)


class Ema(_Averaging):
    """The exponential moving average of the weights after every step.

    ``average = decay * average + (1 - decay) * weights``, batch norm's statistics included.

    Args:
        decay: 0.999 is a memory of about 1000 steps.
        warmup: after n steps the decay is at most (1 + n) / (10 + n), so that short runs forget
            where they began.
        device: where the average is kept; null: beside the weights.

    Raises:
        UserError: decay out of range.
    """

    def __init__(
        self, decay: float = 0.999, warmup: bool = True, device: str | None = None
    ) -> None:
        if not 0 <= decay < 1:
            raise UserError(f"callbacks.ema.decay={decay} is not in 0..1")

        def weight_of(num_averaged: int) -> float:
            limit = (1 + num_averaged) / (10 + num_averaged) if warmup else 1.0
            return 1 - min(decay, limit)

        super().__init__(weight_of, device)


class Swa(_Averaging):
    """The mean of the weights at the end of each epoch of the last part of a run.

    Stochastic weight averaging (Izmailov et al. 2018); before it begins, the weights as they are.
    Batch norm's statistics are averaged too; the paper measures them anew: ``precise_bn``.

    Args:
        start: from which epoch on they count (above 1, counted from 0), or share of the run (0..1).
        device: where the average is kept; null: beside the weights.

    Raises:
        UserError: start below 0.
    """

    def __init__(self, start: float = 0.75, device: str | None = None) -> None:
        if start < 0:
            raise UserError(f"callbacks.swa.start={start} is below 0")
        self.start = start
        super().__init__(lambda num_averaged: 1 / (num_averaged + 1), device)

    def should_update(
        self, step_idx: int | None = None, epoch_idx: int | None = None
    ) -> Literal[False]:
        return False  # once an epoch, below: Lightning's end of an epoch lies behind its validation

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        average = self._average_model
        assert average is not None
        assert trainer.max_epochs is not None
        start = self.start * trainer.max_epochs if self.start <= 1 else self.start
        if trainer.is_last_batch and trainer.current_epoch >= start:
            average.update_parameters(pl_module)
        elif average.n_averaged == 0:  # also where a run ends, or validates, within its first epoch
            average.update_parameters(pl_module)
            average.n_averaged.zero_()  # the next ones replace them
