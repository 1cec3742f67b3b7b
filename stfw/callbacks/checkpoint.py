"""``best.ckpt`` and ``last.ckpt``, under names that can be typed in an override."""

from __future__ import annotations

from typing import Literal

from pytorch_lightning.callbacks import ModelCheckpoint


class BestAndLast(ModelCheckpoint):
    """Keeps the best epoch by a validation score, and the last one.

    Args:
        dirpath: folder of the checkpoints.
        monitor: name of the score, as in ``metrics.csv``.
        mode: whether the best is the ``max`` or the ``min``.
    """

    def __init__(
        self, dirpath: str, monitor: str = "val/top1", mode: Literal["min", "max"] = "max"
    ) -> None:
        super().__init__(
            dirpath=dirpath,
            filename="best",
            monitor=monitor,
            mode=mode,
            save_last=True,
            save_top_k=1,
            auto_insert_metric_name=False,
            enable_version_counter=False,
        )
