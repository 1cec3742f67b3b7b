"""One row per epoch in ``metrics.csv``, whatever loggers a run has beside it."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Checkpoint

from stfw.runs.directory import write_text


class MetricsCsv(Checkpoint):
    """Writes scores, step, learning rate and throughput after every epoch.

    It is a ``Checkpoint`` because only those are called after the module's own epoch hook, where
    the train scores are computed.

    After a resume the rows of epochs that are run again are replaced.

    Args:
        path: the file.
    """

    def __init__(self, path: str) -> None:
        self.path = Path(path)
        self.rows: list[dict[str, str]] = []

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.is_global_zero and self.path.is_file():
            with self.path.open(newline="", encoding="utf-8") as file:
                rows = list(csv.DictReader(file))
            self.rows = [row for row in rows if int(row["epoch"]) < trainer.current_epoch]

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        row = {
            "epoch": str(trainer.current_epoch),
            "step": str(trainer.global_step),
            "lr": f"{trainer.optimizers[0].param_groups[0]['lr']:.6g}",
        }
        for name, value in sorted(trainer.callback_metrics.items()):
            if name.startswith(("train/", "val/", "throughput/")):
                row[name] = f"{float(value):.6g}"
        for logger in trainer.loggers:  # the scores they have from the task
            logger.log_metrics({"lr": float(row["lr"])}, trainer.global_step - 1)
        self.rows.append(row)
        names = list(dict.fromkeys(name for row in self.rows for name in row))
        text = io.StringIO()
        writer = csv.DictWriter(text, names, lineterminator="\n", restval="")
        writer.writeheader()
        writer.writerows(self.rows)
        write_text(self.path, text.getvalue())
