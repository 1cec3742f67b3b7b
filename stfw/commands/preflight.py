"""What may be wrong with a run, looked at before anything is written."""

from __future__ import annotations

from typing import Any

from omegaconf import DictConfig, OmegaConf

from stfw.types import Record, UserError, nearest


def share_cores(trainer: Any, num_workers: int) -> None:
    """On a CPU the model's threads take the cores that loading leaves.

    Threads beyond the cores wait for each other: on two cores they cost more than half the speed.
    """
    import torch

    from stfw.data.datamodule import num_cores

    if trainer.strategy.root_device.type == "cpu":
        local = max(1, trainer.num_devices)
        torch.set_num_threads(max(1, num_cores() // local - num_workers))


def check_data(splits: dict[str, list[Record]], classes: list[str]) -> None:
    """Refuses data that no run can learn from.

    Raises:
        UserError: one class only, or an empty split.
    """
    if len(classes) < 2:
        raise UserError(
            f"the data have one class only ({', '.join(classes)}); a classifier needs at least two"
        )
    for split, records in splits.items():
        if not records:
            raise UserError(f"the {split} split is empty; give it videos or change the fractions")


def check_labels(cfg: DictConfig, records: list[Record]) -> None:
    """Refuses a task that does not fit the labels.

    Raises:
        UserError: several labels per video for a task of one, or the other way round.
    """
    several = any(not isinstance(record.label, int) for record in records)
    if several and not cfg.task.multi_label:
        raise UserError("the videos have several labels each; choose task=multi_label loss=bce")
    if cfg.task.multi_label and not several:
        raise UserError("task=multi_label needs several labels per video; see data.multi_label")


def check_devices(cfg: DictConfig) -> None:
    """Refuses a trainer that asks for hardware that is not there, in one sentence.

    Raises:
        UserError: names the accelerator.
    """
    import torch

    if torch.cuda.is_available():
        return
    if OmegaConf.is_config(cfg.trainer.strategy):
        raise UserError("trainer=fsdp shards over GPUs, and torch sees none here; use trainer=ddp")
    if cfg.trainer.accelerator in ("gpu", "cuda"):
        raise UserError(
            f"trainer.accelerator={cfg.trainer.accelerator}: torch sees no GPU here; "
            "use trainer=cpu, or see stfw doctor"
        )
    if cfg.trainer.sync_batchnorm:
        raise UserError(
            "trainer.sync_batchnorm=true works between GPUs alone, and torch sees none here"
        )


def check_monitors(cfg: DictConfig, task: Any) -> None:
    """Refuses to wait for a score that the task does not have, or for the worst of it.

    Raises:
        UserError: names the key and what there is, or the mode that was meant.
    """
    own = [name for scores in ("train_scores", "val_scores") for name in getattr(task, scores, ())]
    if not own:
        return  # a task of your own tells its scores only as it runs
    known = ["epoch", "step", "train/loss", "val/loss", *own]
    nodes = {f"callbacks.{name}": node for name, node in cfg.callbacks.items()}
    for path, node in (nodes | {"lr_scheduler": cfg.lr_scheduler}).items():
        monitor = node.get("monitor") if node is not None else None
        if monitor is not None and monitor not in known:
            shown = ", ".join(known[2:])
            raise UserError(
                f"{path}.monitor={monitor}: no such score{nearest(monitor, known)} "
                f"(there are: {shown})"
            )
        mode, worst = ("min", "max") if str(monitor).endswith("loss") else ("max", "min")
        if monitor in known[2:] and node.get("mode") == worst:
            raise UserError(
                f"{path}.monitor={monitor} with mode={worst} takes the worst for the best; give "
                f"{path}.mode={mode} too"
            )
