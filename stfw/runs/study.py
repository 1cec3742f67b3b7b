"""A search for hyperparameters on disk: an Optuna study, and locks that die with their holders.

A folder holds ``study.db`` (sqlite), and ``trials/<number>`` for each trial's run. Two kinds of
locks (``flock``) keep processes apart; the kernel frees them however their holder ends, so that no
clock has to guess whether somebody is still alive:

- ``.lock`` is held for moments, around every use of the study;
- ``trials/<number>/.lock`` is held by the process that runs the trial and by the trial itself. A
  trial that the study calls running and whose lock is free was cut short.
"""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stfw.types import UserError

if TYPE_CHECKING:
    from optuna import Study
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler
    from optuna.storages import RDBStorage

STUDY_NAME = "sweep"  # Hyperband draws a trial's bracket from it: renaming a folder changes nothing
BUSY_SEC = 60.0
PRUNED_AFTER = "pruned_after"  # attribute of a trial: the epoch that was its last


class StudyFolder:
    """A study's folder.

    Args:
        path: of the folder; it need not be there yet.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path).expanduser()

    @property
    def database(self) -> Path:
        return self.path / "study.db"

    def trial(self, number: int) -> Path:
        """The folder of a trial's run."""
        return self.path / "trials" / f"{number:04d}"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Waits until no other process uses the study.

        Raises:
            UserError: the folder cannot be written.
        """
        try:
            lock = (self.path / ".lock").open("a")
        except OSError as error:
            raise UserError(f"{self.path}: cannot be written ({error.strerror})") from error
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def claim(self, number: int) -> int | None:
        """Takes a trial; None where it is somebody's.

        Returns:
            A file descriptor. The trial is free again when it, and every copy that a child process
            was given, is closed.
        """
        folder = self.trial(number)
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
            return None
        os.ftruncate(handle, 0)
        os.write(handle, str(os.getpid()).encode())
        return handle

    def holder(self, number: int) -> str:
        """The process that took a trial last."""
        return (self.trial(number) / ".lock").read_text().strip()

    def create(self, directions: Sequence[str], attributes: Mapping[str, Any]) -> None:
        """Makes the study, whole or not at all; call it ``locked``."""
        optuna = require_optuna()
        part = self.path / f"study.db.{os.getpid()}.part"
        part.unlink(missing_ok=True)
        storage = _storage(part, is_new=True)
        study = optuna.create_study(
            study_name=STUDY_NAME, storage=storage, directions=list(directions)
        )
        for name, value in attributes.items():
            study.set_user_attr(name, value)
        storage.remove_session()
        os.replace(part, self.database)

    def load(self, sampler: BaseSampler | None = None) -> Study:
        """Opens the study; call it, and whatever is done with it, ``locked``.

        Args:
            sampler: None draws at random.

        Raises:
            UserError: there is none, or it cannot be read.
        """
        optuna = require_optuna()
        if not self.database.is_file():
            raise UserError(f"{self.path}: there is no study.db; it is no sweep's folder")
        try:
            study = optuna.load_study(
                study_name=STUDY_NAME,
                storage=_storage(self.database),
                sampler=sampler or optuna.samplers.RandomSampler(),
            )
            study.pruner = make_pruner(study.user_attrs.get("pruner") or {})
        except (KeyError, RuntimeError, optuna.exceptions.StorageInternalError) as error:
            reason = str(error).strip().splitlines()[0]
            raise UserError(f"{self.database}: cannot be read as a study ({reason})") from error
        return study


def make_pruner(settings: Mapping[str, Any]) -> BasePruner:
    """The rule that stops trials early.

    Args:
        settings: ``method`` (``none``, ``median``, ``hyperband``), ``num_startup``, ``min_epochs``,
            ``reduction``, ``max_epochs``; see ``conf/sweep.yaml``. Empty: none.
    """
    pruners = require_optuna().pruners
    method = settings.get("method", "none")
    if method == "median":
        return pruners.MedianPruner(
            n_startup_trials=settings["num_startup"], n_warmup_steps=settings["min_epochs"]
        )
    if method == "hyperband":
        return pruners.HyperbandPruner(
            min_resource=settings["min_epochs"],
            max_resource=settings["max_epochs"],
            reduction_factor=settings["reduction"],
        )
    return pruners.NopPruner()


def require_optuna() -> Any:
    """Optuna, without its talk.

    Raises:
        UserError: it is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise UserError('sweeps need Optuna: pip install "stfw[sweep]"') from error
    optuna.logging.set_verbosity(logging.ERROR)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    return optuna


def _storage(path: Path, is_new: bool = False) -> RDBStorage:
    from optuna.storages import RDBStorage
    from sqlalchemy.pool import NullPool

    def connect() -> sqlite3.Connection:  # a path need not be fit for a URL
        return sqlite3.connect(path, timeout=BUSY_SEC)

    return RDBStorage(
        "sqlite://",
        engine_kwargs={"creator": connect, "poolclass": NullPool},
        skip_table_creation=not is_new,
    )
