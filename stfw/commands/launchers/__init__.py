"""Where the jobs of ``-m`` and of tables run. One file and one YAML each."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

from omegaconf import DictConfig

from stfw.commands.launch import Launcher
from stfw.config import compose_root
from stfw.types import UserError

KEYS = ("launcher", "jobs", "skip_finished")


def is_for_launch(word: str) -> bool:
    """Whether an override is one of ``conf/launch.yaml``, and none of a run."""
    return word.lstrip("+").split("=", 1)[0].split(".", 1)[0] in KEYS


def read_launch(words: Sequence[str]) -> tuple[DictConfig, str, Launcher]:
    """The settings of a launch, the launcher's name, and the launcher.

    Raises:
        UserError: an unknown key, launcher or value.
    """
    composed = compose_root("launch", words)
    check_jobs(composed.cfg.jobs)
    if not isinstance(composed.cfg.skip_finished, bool):
        raise UserError(f"skip_finished={composed.cfg.skip_finished} is neither true nor false")
    return composed.cfg, composed.choices["launcher"], make_launcher(composed.cfg)


def make_launcher(cfg: DictConfig) -> Launcher:
    """The launcher of a composed config.

    Raises:
        UserError: a key or value that it does not have.
    """
    from stfw.build import Build
    from stfw.check import Check

    dry = Check()
    dry(cfg.launcher)
    dry.raise_if_wrong()
    return Build()(cfg.launcher)


def check_library(launcher: Launcher) -> None:
    """Refuses a launcher that cannot work here, before anything is written for it.

    Raises:
        UserError: its library is not installed; says how it would be.
    """
    if launcher.library is not None:
        needs(*launcher.library)


def check_jobs(jobs: Any) -> None:
    """Refuses a number of jobs that makes no sense.

    Raises:
        UserError: it is neither a whole number of at least 1 nor null.
    """
    if jobs is not None and (isinstance(jobs, bool) or not isinstance(jobs, int) or jobs < 1):
        raise UserError(f"jobs={jobs} must be a whole number of at least 1")


def needs(module: str, extra: str) -> Any:
    """An optional library.

    Raises:
        UserError: it is not installed; says how it would be.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise UserError(
            f'this launcher needs {module.split(".")[0]}: pip install "stfw[{extra}]" ({error})'
        ) from error
