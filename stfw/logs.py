"""Keeps libraries from talking over the run: their hints that do not apply here."""

from __future__ import annotations

import logging
import warnings

# each with the reason why it says nothing to the user of a run
SILENCED = (
    r".*You have overridden `on_after_batch_transfer`.*",  # meant: the task normalises
    r".*does not have many workers.*",  # the number of workers is the user's choice
    r".*Checkpoint directory .* exists and is not empty.*",  # best.ckpt and last.ckpt are replaced
    r".*smaller than the logging interval.*",  # metrics.csv has a row per epoch
    r".*isinstance\(treespec, LeafSpec\).*",  # inside Lightning
    r".*`LeafSpec` is deprecated.*",  # inside Lightning
    r".*module\(s\) in eval mode at the start of training.*",  # meant: task.finetune
    r".*have no `val_dataloader`.*",  # meant: stfw tune
    r".*lr_scheduler\.step\(\)` before `optimizer\.step\(\).*",  # after a resume
)


def quiet() -> None:
    """Lowers Lightning's banners to warnings and silences the hints above."""
    for name in ("pytorch_lightning", "lightning_fabric", "lightning.pytorch"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in SILENCED:
        warnings.filterwarnings("ignore", message=message)
