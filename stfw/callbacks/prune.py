"""Tells a sweep how a trial stands after every epoch, and stops it where the sweep says so."""

from __future__ import annotations

import math

import pytorch_lightning as pl
from pytorch_lightning.trainer.states import TrainerFn

from stfw.runs.study import PRUNED_AFTER, StudyFolder
from stfw.types import UserError


class Prune(pl.Callback):
    """Reports a score of every validated epoch to the study; its pruner may end the trial.

    ``stfw sweep`` adds it to its trials. Under DDP rank 0 alone speaks with the study and tells the
    others, so that all stop after the same epoch. The last epoch is reported but not judged: what
    is trained to its end counts.

    Args:
        study: folder of the sweep.
        trial: number of this trial.
        monitor: name of the score, as in ``metrics.csv``.
    """

    def __init__(self, study: str, trial: int, monitor: str = "val/top1") -> None:
        self.study = study
        self.trial = trial
        self.monitor = monitor

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.state.fn != TrainerFn.FITTING or trainer.sanity_checking:
            return
        stop = False
        if trainer.is_global_zero:
            if self.monitor not in trainer.callback_metrics:
                known = ", ".join(sorted(trainer.callback_metrics))
                raise UserError(f"callbacks.prune.monitor={self.monitor}: there are {known}")
            num_epochs = trainer.current_epoch + 1
            is_last = num_epochs == trainer.max_epochs
            stop = self._report(float(trainer.callback_metrics[self.monitor]), num_epochs, is_last)
        if trainer.strategy.broadcast(stop):
            trainer.should_stop = True

    def _report(self, value: float, num_epochs: int, is_last: bool) -> bool:
        from optuna.trial import Trial, TrialState

        folder = StudyFolder(self.study)
        with folder.locked():
            study = folder.load()
            stored = study.get_trials(deepcopy=False)[self.trial]
            if stored.state != TrialState.RUNNING:  # somebody runs the trial's command by hand
                return False
            trial = Trial(study, stored._trial_id)
            if num_epochs not in stored.intermediate_values:  # it is, where a trial goes on
                trial.report(value, num_epochs)
            stop = not is_last and (math.isnan(value) or trial.should_prune())
            if stop:
                trial.set_user_attr(PRUNED_AFTER, num_epochs)
        return stop
