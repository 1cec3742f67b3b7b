"""``stfw train -m hydra/launcher=...``: Hydra's own multirun, with its launchers and sweepers."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from stfw.config import Composed, compose, conf_dir
from stfw.runs.directory import in_group
from stfw.types import UserError


def main(overrides: Sequence[str], first: Sequence[str]) -> None:
    """Hands over to Hydra.

    Args:
        overrides: all of them, Hydra's own too.
        first: those of the first job.
    """
    cfg = compose("train", first).cfg  # a mistake is told once, in one sentence
    if "ddp" in str(cfg.trainer.strategy):
        raise UserError(
            "Hydra's launchers run jobs inside their own processes, where trainer=ddp would start "
            "the whole sweep again; use launcher=... (stfw train --help)"
        )
    argv = sys.argv
    sys.argv = [argv[0], "--multirun", *overrides]
    group = datetime.now().strftime("multirun-%Y-%m-%d_%H-%M-%S")
    try:
        with in_group(group):
            hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="train")(job)()
    finally:
        sys.argv = argv


def job(cfg: DictConfig) -> None:
    """One run of the sweep, in the folder that a single run would have."""
    from stfw.commands.run import train

    chosen = HydraConfig.get()
    overrides = [str(text) for text in chosen.overrides.task]
    sys.argv = [sys.argv[0], "train", *overrides]  # what run.json tells of it
    print(train(compose_again(overrides)))


def compose_again(overrides: Sequence[str]) -> Composed:
    """Composes one job as a single run would be, and leaves Hydra's own state as it was."""
    from hydra.core.global_hydra import GlobalHydra

    hydra_state, job_state = GlobalHydra.instance().hydra, HydraConfig.instance().cfg
    try:
        return compose("train", overrides)
    finally:
        GlobalHydra.instance().hydra = hydra_state
        HydraConfig.instance().cfg = job_state
