"""``best.ckpt`` and ``last.ckpt``, under names that can be typed in an override."""

from __future__ import annotations

from typing import Literal

from pytorch_lightning.callbacks import ModelCheckpoint


class Best(ModelCheckpoint):
    """Keeps the best epoch by a validation score.

    Args:
        dirpath: folder of the checkpoint.
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
            save_top_k=1,
            auto_insert_metric_name=False,
            enable_version_counter=False,
        )


class Last(ModelCheckpoint):
    """Keeps the last epoch, to go on from.

    ``save_last`` of the one above would keep it only where the score has just improved. It stands
    behind the other among the callbacks, so that what it keeps knows the best one.

    Args:
        dirpath: folder of the checkpoint.
        every_n_epochs: how often.
    """

    def __init__(self, dirpath: str, every_n_epochs: int = 1) -> None:
        super().__init__(
            dirpath=dirpath,
            filename="last",
            save_top_k=1,
            every_n_epochs=every_n_epochs,
            auto_insert_metric_name=False,
            enable_version_counter=False,
        )
