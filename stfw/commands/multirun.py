"""``stfw train -m``: Hydra's multirun, one job after the other (or as its launcher says)."""

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


def main(words: Sequence[str]) -> None:
    overrides = [word for word in words if word not in ("-m", "--multirun")]
    single = [word for word in overrides if not word.startswith("hydra")]
    for text in expand_first(single):
        if text.split("=")[0] == "trainer" and text.endswith("ddp"):
            raise UserError(
                "-m together with trainer=ddp would run the sweep again in every process; "
                "start the runs one by one"
            )
    compose("train", expand_first(single))  # a mistake is told once, in one sentence
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


def expand_first(overrides: Sequence[str]) -> list[str]:
    """The first combination of a sweep: ``model=a,b`` -> ``model=a``."""
    from hydra.core.override_parser.overrides_parser import OverridesParser

    first = []
    for text in overrides:
        try:
            override = OverridesParser.create().parse_override(text)
        except Exception:  # compose says what is wrong with it
            first.append(text)
            continue
        if override.is_sweep_override():
            value = next(iter(override.sweep_string_iterator()))
            first.append(f"{text.split('=', 1)[0]}={value}")
        else:
            first.append(text)
    return first
