"""Weights & Biases, told only what a run chooses to tell."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from pytorch_lightning.loggers import WandbLogger
from pytorch_lightning.loggers.logger import rank_zero_experiment
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from stfw.loggers.worst import Worst
from stfw.redact import redact
from stfw.runs.directory import GROUP, RunDir
from stfw.types import UserError

DATA_DIR = "WANDB_DATA_DIR"  # where wandb keeps the files of tables until they are sent


class Wandb(WandbLogger):
    """A run of Weights & Biases, kept below the run's folder and gone on with after a resume.

    wandb's own look at the command line, git and the console is switched off, since it would take
    secrets along; what it is told of them comes from ``run.json``. It measures the machine.

    Args:
        run_dir: the run's folder.
        project: the project.
        entity: user or team; None: the user's own.
        name: what is shown; None: the run's folder.
        group: links runs; None: the sweep, table or multirun that started the run.
        tags: words to find it by.
        mode: ``offline`` keeps it for ``wandb sync``, ``online`` sends it, ``disabled`` neither.
        num_worst: test clips in the table of pictures, the worst first.

    Raises:
        UserError: online without an account, or wandb refuses to start.
    """

    def __init__(
        self,
        run_dir: str,
        project: str = "stfw",
        entity: str | None = None,
        name: str | None = None,
        group: str | None = None,
        tags: Sequence[str] = (),
        mode: Literal["offline", "online", "disabled"] = "offline",
        num_worst: int = 12,
    ) -> None:
        path = Path(run_dir)
        super().__init__(
            name=name or f"{path.parent.name}/{path.name}",
            project=project,
            save_dir=run_dir,
            offline=mode != "online",
            entity=entity,
            group=group or os.environ.get(GROUP),
            tags=list(tags),
            mode=mode,
        )
        self.run_dir, self.num_worst, self.mode = RunDir(path), num_worst, mode

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        """wandb's run: the one that ``run.json`` names, or a new one."""
        if self._experiment is None:
            self._experiment = self._start()
        return self._experiment

    @rank_zero_only
    def log_worst(self, worst: Sequence[Worst], step: int) -> None:
        """A table: a filmstrip of each clip beside what it is and what it was taken for."""
        import wandb

        columns: list[str | int] = ["clip", "video", "true", "predicted", "score", "true score"]
        rows = [
            [wandb.Image(w.strip_HWC), w.video_id, w.true, w.predicted, w.score, w.true_score]
            for w in worst[: self.num_worst]
        ]
        table: Any = wandb.Table(columns=columns, data=rows)
        with self._pictures_here():
            self.log_metrics({"test/worst": table}, step)

    @rank_zero_only
    def close(self, status: str) -> None:
        """Ends wandb's run, so that the next one in this process is another."""
        if self._experiment is None:
            return
        folder = self._experiment.settings.sync_dir
        self._experiment.finish(exit_code=0 if status == "success" else 1)
        self._experiment = None
        if self.mode == "offline":
            print(f"wandb sync {os.path.relpath(folder)}  # sends this run")

    @contextmanager
    def _pictures_here(self) -> Iterator[None]:
        """Within, wandb keeps what waits for ``wandb sync`` in the run's folder."""
        before = os.environ.get(DATA_DIR)
        os.environ[DATA_DIR] = before or str(self.run_dir.path / "wandb" / "data")
        try:
            yield
        finally:
            if before is None:
                del os.environ[DATA_DIR]

    def _start(self) -> Any:
        import wandb

        known = self.run_dir.read().get("loggers", {}).get("wandb", {}).get("id")
        self._id = known or secrets.token_hex(4)
        settings = wandb.Settings(
            console="off",
            disable_code=True,
            disable_git=True,
            save_code=False,
            silent=True,
            x_disable_meta=True,  # the command line, the remote's URL, user and host
        )
        given = redact({**self._wandb_init, "id": self._id, "reinit": "finish_previous"})
        given.pop("anonymous", None)  # of Lightning; wandb warns of it
        try:
            run = wandb.init(**given, settings=settings)
        except Exception as error:  # UsageError, CommError and the like, by the kind of refusal
            raise UserError(
                f"logger.wandb: wandb does not start ({str(error).splitlines()[0]}); run wandb "
                "login once, or keep the run here: logger.wandb.mode=offline"
            ) from error
        run.define_metric("trainer/global_step")
        run.define_metric("*", step_metric="trainer/global_step", step_sync=True)
        self.run_dir.update(loggers={"wandb": {"id": self._id, "project": self.name}})
        return run
