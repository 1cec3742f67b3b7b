"""Where the time of training went: decoding, waiting for data, the model, the rest."""

from __future__ import annotations

import time
from typing import Any

import pytorch_lightning as pl
import torch


class Timings(pl.Callback):
    """Adds up seconds over the training batches of a run.

    ``decode_sec`` is spent in the workers, beside the model; ``wait_sec`` is what the training
    loop waited for them; ``model_sec`` is forward, backward and optimizer.
    """

    def __init__(self) -> None:
        self.decode_sec = self.wait_sec = self.model_sec = self.fit_sec = 0.0
        self.num_clips = 0
        self._fit_begin = self._last = time.perf_counter()

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._fit_begin = time.perf_counter()

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._last = time.perf_counter()

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        now = time.perf_counter()
        self.wait_sec += now - self._last
        self._last = now

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        if torch.cuda.is_available() and batch_idx % 50 == 0:
            torch.cuda.synchronize()  # now and then, so that queued work is not called waiting
        now = time.perf_counter()
        self.model_sec += now - self._last
        self._last = now
        if not batch["decode_sec"].is_cuda:
            self.decode_sec += float(batch["decode_sec"].sum())
        self.num_clips += len(batch["label"]) * trainer.world_size

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.fit_sec = time.perf_counter() - self._fit_begin

    def summary(self) -> dict[str, float]:
        """Seconds by stage, and clips per second of training."""
        busy = self.wait_sec + self.model_sec
        return {
            "decode_sec": round(self.decode_sec, 3),
            "wait_sec": round(self.wait_sec, 3),
            "model_sec": round(self.model_sec, 3),
            "rest_sec": round(max(0.0, self.fit_sec - busy), 3),
            "fit_sec": round(self.fit_sec, 3),
            "clips_per_sec": round(self.num_clips / busy, 2) if busy else 0.0,
        }
