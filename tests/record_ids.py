"""A callback that writes which videos each rank has had, epoch by epoch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytorch_lightning as pl


class RecordIds(pl.Callback):
    """Writes ``<stage>-<epoch>-<rank>.txt``.

    Args:
        folder: of the files.
    """

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        self._write("train", trainer, batch)

    def on_validation_batch_start(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        self._write("val", trainer, batch)

    def _write(self, stage: str, trainer: pl.Trainer, batch: Any) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        name = f"{stage}-{trainer.current_epoch}-{trainer.global_rank}.txt"
        with (self.folder / name).open("a") as file:
            file.writelines(f"{video}\n" for video in batch["video_id"])
