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

from stfw.tasks.grid_schedule import planned_steps


class Progress(pl.Callback):
    """Shows epoch, loss, scores, speed and time left.

    Args:
        refresh_per_sec: how often the bar is drawn, in frames per second.
    """

    def __init__(self, refresh_per_sec: float = 4.0) -> None:
        self.refresh_per_sec = refresh_per_sec
        self.bar: RichProgress | None = None
        self.task: Any = None
        self._epoch_begin = 0.0

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
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

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        fitting = trainer.state.fn == TrainerFn.FITTING
        if not fitting or not trainer.is_global_zero or trainer.sanity_checking:
            return
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
        shown = "  ".join(
            f"{name} {metrics[name]:.3f}"
            for name in ("loss", "val/loss", "val/top1")
            if name in metrics
        )
        seconds = time.perf_counter() - self._epoch_begin
        line = f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}  {shown}  {seconds:.1f} s"
        if self.bar is not None:
            self.bar.console.print(line, highlight=False)
        else:
            print(line, flush=True)

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
