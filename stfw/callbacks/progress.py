"""What a person sees while it trains: a bar on a terminal, a line per epoch elsewhere."""

from __future__ import annotations

import sys
import time
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import EarlyStopping
from pytorch_lightning.trainer.states import TrainerFn
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

from stfw.callbacks.throughput import Throughput
from stfw.tasks.grid_schedule import planned_steps

NOTE_EVERY_SEC = 1.0  # beside the bar; numbers that change faster cannot be read


class Progress(pl.Callback):
    """Shows epoch, loss, scores and, where ``Throughput`` measures it, speed and time left.

    Args:
        refresh_per_sec: how often the bar is drawn, in frames per second.
        line_every_sec: where there is no terminal, a line so often within an epoch too; null: only
            at its end.
    """

    def __init__(self, refresh_per_sec: float = 4.0, line_every_sec: float | None = 60.0) -> None:
        self.refresh_per_sec = refresh_per_sec
        self.line_every_sec = line_every_sec
        self._throughput: Throughput | None = None
        self._tell_at = 0.0
        self._outputs: Any = None  # of the last step; logging it at every step would cost more
        self.bar: RichProgress | None = None
        self.task: Any = None
        self._epoch_begin = 0.0

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        parts = trainer.callbacks  # type: ignore[attr-defined]
        self._throughput = next((p for p in parts if isinstance(p, Throughput)), None)
        if trainer.is_global_zero and sys.stderr.isatty():
            self.bar = RichProgress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[note]}"),
                console=Console(stderr=True),
                refresh_per_second=self.refresh_per_sec,
                transient=True,
            )
            self.bar.start()
            total = sum(planned_steps(trainer))
            self.task = self.bar.add_task(
                "training", total=total, completed=trainer.global_step, note=""
            )

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._epoch_begin = time.perf_counter()
        self._tell_at = self._epoch_begin + self._pause()

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        if self.bar is not None:
            self.bar.update(
                self.task,
                completed=trainer.global_step,
                description=f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}",
            )
        self._outputs = outputs
        now = time.perf_counter()
        if now < self._tell_at or not trainer.is_global_zero:
            return
        self._tell_at = now + self._pause()
        if self.bar is not None:
            self.bar.update(self.task, note=self._speed(trainer, left=False))
        else:
            batch_of = f"batch {batch_idx + 1}/{trainer.num_training_batches}"
            self._print(trainer, batch_of, self._loss(trainer), self._speed(trainer))

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        fitting = trainer.state.fn == TrainerFn.FITTING
        if not fitting or not trainer.is_global_zero or trainer.sanity_checking:
            return
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
        shown = [f"{n} {metrics[n]:.3f}" for n in ("val/loss", "val/top1") if n in metrics]
        seconds = time.perf_counter() - self._epoch_begin
        self._print(trainer, self._loss(trainer), *shown, f"{seconds:.1f} s", self._speed(trainer))

    def _print(self, trainer: pl.Trainer, *parts: str) -> None:
        epoch = f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}"
        line = "  ".join(part for part in (epoch, *parts) if part)
        if self.bar is not None:
            self.bar.console.print(line, highlight=False)
        else:
            print(line, flush=True)

    def _loss(self, trainer: pl.Trainer) -> str:
        """The last batch's."""
        loss = (self._outputs or {}).get("loss")
        if loss is None:
            return ""
        # Lightning gives it as it is accumulated
        return f"loss {float(loss) * trainer.accumulate_grad_batches:.3f}"

    def _pause(self) -> float:
        if self.bar is not None:
            return NOTE_EVERY_SEC
        return float("inf") if self.line_every_sec is None else self.line_every_sec

    def _speed(self, trainer: pl.Trainer, left: bool = True) -> str:
        """What ``Throughput`` tells; the bar counts the time left itself."""
        if self._throughput is None:
            return ""
        return self._throughput.told(trainer.global_step if left else None)

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._stop()
        for part in trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(part, EarlyStopping) and part.stopped_epoch and trainer.is_global_zero:
                print(
                    f"stopped early: {part.monitor} has not improved for {part.wait_count} "
                    f"validations (best {float(part.best_score):.3f})"
                )

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        self._stop()

    def _stop(self) -> None:
        if self.bar is not None:
            self.bar.stop()
            self.bar = None
