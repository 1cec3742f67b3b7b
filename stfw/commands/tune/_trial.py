"""Short trainings that leave nothing behind: what ``lr`` and ``batch`` try things with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig

from stfw.assemble import assemble_data, assemble_network, assemble_task, check, prepare_network
from stfw.build import Build
from stfw.commands.preflight import check_data, check_devices, check_labels, share_cores
from stfw.config import compose


@dataclass
class Trial:
    """A run, ready to be tried on one device.

    Attributes:
        cfg: the run.
        data: its data module.
        task: network, loss and optimizer.
    """

    cfg: DictConfig
    data: Any
    task: Any

    def trainer(self, max_steps: int, callbacks: Sequence[Any], num_workers: int) -> Any:
        """A trainer for so many steps that validates, logs and keeps nothing."""
        trainer = Build()(
            self.cfg.trainer,
            skip=("max_steps", "max_epochs"),
            max_steps=max_steps,
            max_epochs=-1,  # the videos come again until the steps are done
            callbacks=list(callbacks),
            logger=False,
            use_distributed_sampler=False,
            enable_model_summary=False,
            enable_progress_bar=False,
            enable_checkpointing=False,
        )
        share_cores(trainer, num_workers)
        return trainer


def prepare(overrides: Sequence[str]) -> Trial:
    """Composes, checks and builds a run on one device, with one shape of clips.

    Raises:
        UserError: as ``stfw train`` would.
    """
    one = ["trainer.devices=1", "trainer.num_nodes=1", "trainer.strategy=auto"]
    composed = compose("train", [*overrides, *one])
    cfg = composed.cfg
    cfg.trainer.limit_val_batches = 0
    cfg.trainer.limit_train_batches = None
    if cfg.get("multigrid") is not None:
        cfg.multigrid = None
    check(cfg)
    import pytorch_lightning as pl

    from stfw.commands.start import open_start
    from stfw.logs import quiet
    from stfw.runs.weights import start_from

    quiet()
    pl.seed_everything(cfg.seed, verbose=False)
    check_devices(cfg)
    weights = open_start(cfg, composed.choices)
    data = assemble_data(cfg, Build())
    check_data(data.splits, data.reader.classes)
    check_labels(cfg, data.splits["train"])
    classes = data.reader.classes
    network = assemble_network(cfg, Build(), len(classes))
    if weights is not None:
        start_from(network, weights, classes)
    task = assemble_task(cfg, Build(), network, classes, data.splits["train"])
    prepare_network(cfg, network)
    return Trial(cfg, data, task)
