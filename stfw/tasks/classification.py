"""Learning to name a video's class: the loss, the scores, the optimizer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytorch_lightning as pl
import torch
import torch.distributed
from pytorch_lightning.strategies import FSDPStrategy
from torch import Tensor, nn
from torch.optim import Optimizer
from torchmetrics import MeanMetric, Metric, MetricCollection
from torchmetrics.classification import MulticlassAccuracy, MultilabelAveragePrecision

from stfw.models.recognizer import view_probabilities
from stfw.tasks.grid_schedule import follow_grid, planned_steps
from stfw.tasks.param_groups import FineTuning, scale
from stfw.types import UserError

# video id, label (or labels), probability per class
Prediction = tuple[str, "int | tuple[int, ...]", list[float]]


class Classification(pl.LightningModule):
    """One label per video, or several.

    Scores: top-1, top-5 and mean class accuracy; where a video may have several classes, the mean
    over classes of the average precision (``mAP``), and as top-1 whether the most probable class
    is one of the video's.

    Args:
        network: batch -> logits_BVK.
        batch_transform: runs on the pixels after they have reached the device.
        loss: ``(logits_BK, label_B) -> scalar``, for training.
        classes: class names.
        optimizer: parameters -> optimizer.
        lr_scheduler: ``(optimizer, num_steps, num_epochs) -> scheduler``, stepped once per
            optimizer step, or a list of Lightning's configurations of several; None: a constant
            rate.
        seed: makes every step's dropout the same however the run was interrupted.
        multi_label: a video may have several classes, each with a probability of its own.
        finetune: what learns, and how fast; None: everything alike.
    """

    def __init__(
        self,
        network: nn.Module,
        batch_transform: nn.Module,
        loss: nn.Module,
        classes: Sequence[str],
        optimizer: Callable[..., Optimizer],
        lr_scheduler: Callable[..., Any] | None = None,
        seed: int = 0,
        multi_label: bool = False,
        finetune: FineTuning | None = None,
    ) -> None:
        super().__init__()
        self.multi_label = multi_label
        self.network, self.batch_transform, self.loss = network, batch_transform, loss
        self.finetune = finetune or FineTuning()
        self.finetune.apply(network)  # before any wrapper asks what has a gradient
        self.finetune.hold(network)
        self.classes, self.seed = list(classes), seed
        self.make_optimizer, self.make_lr_scheduler = optimizer, lr_scheduler
        self.lr_factor = 1.0  # of the batch; see stfw.tasks.lr_scaling
        self.predictions: list[Prediction] = []
        self.checkpoint_extra: dict[str, Any] = {}  # plain data that travels in the checkpoint
        num_classes = len(self.classes)
        self.train_scores = _scores(num_classes, "train/", ("top1",))
        names = ("top1", "mAP") if multi_label else ("top1", "top5", "mean_class_acc")
        self.val_scores = _scores(num_classes, "val/", names)
        self.test_scores = _scores(num_classes, "test/", names)
        self.train_loss, self.val_loss, self.test_loss = MeanMetric(), MeanMetric(), MeanMetric()

    def train(self, mode: bool = True) -> Classification:
        super().train(mode)
        if mode:
            self.finetune.hold(self.network)
        return self

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["stfw"] = self.checkpoint_extra

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        # Lightning's checkpoint holds no generator state: dropout would differ after a resume
        seed = hash((self.seed, self.global_step, batch_idx, self.global_rank)) % 2**63
        # torch.manual_seed would note it, each time with a traceback, for every kind of device that
        # is not there: a millisecond a step
        torch.default_generator.manual_seed(seed)
        if self.device.type != "cpu":
            torch.get_device_module(self.device).manual_seed(seed)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        batch = self.batch_transform({**batch})  # Lightning keeps the batch; these pixels go
        try:
            logits_BVK = self.network(batch)
        except ValueError as error:
            if "more than 1 value per channel" not in str(error):
                raise
            raise UserError(
                "a training batch of one video is too small for this network's batch norm; choose "
                "data.batch_size so that none is left alone, or give more training videos"
            ) from error
        V = logits_BVK.shape[1]
        logits_BK = logits_BVK.flatten(0, 1)
        label_B = batch["label"].repeat_interleave(V, dim=0)
        mixed = batch.get("target")  # shares of classes, where videos were mixed
        target = label_B if mixed is None else mixed.repeat_interleave(V, dim=0)
        loss = self.loss(logits_BK, target)
        self.train_loss.update(loss.detach(), weight=len(batch["label"]))
        self._score(self.train_scores, logits_BK.detach(), label_B)
        return loss

    def on_train_epoch_end(self) -> None:
        self._log_epoch("train", self.train_loss, self.train_scores)

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self._evaluate(batch, self.val_loss, self.val_scores)

    def on_validation_epoch_end(self) -> None:
        self._log_epoch("val", self.val_loss, self.val_scores)
        self.predictions.clear()

    def test_step(self, batch: Any, batch_idx: int) -> None:
        self._evaluate(batch, self.test_loss, self.test_scores)

    def on_test_epoch_start(self) -> None:
        self.predictions.clear()

    def on_test_epoch_end(self) -> None:
        self._log_epoch("test", self.test_loss, self.test_scores)

    def gathered_predictions(self) -> list[Prediction]:
        """Predictions of the last evaluation from all ranks, in order of video id."""
        mine = self.predictions
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            by_rank: list[Any] = [None] * torch.distributed.get_world_size()
            torch.distributed.all_gather_object(by_rank, mine)
            mine = [row for rows in by_rank for row in rows]
        return sorted(mine)

    def configure_optimizers(self) -> Any:
        optimizer = self.make_optimizer(self.finetune.groups(self.network))
        optimizer = scale(optimizer, self.lr_factor)
        if self.make_lr_scheduler is None:
            return optimizer
        steps = planned_steps(self.trainer)
        made = self.make_lr_scheduler(
            optimizer, num_steps=sum(steps), num_epochs=self.trainer.max_epochs
        )
        if not isinstance(made, list):
            made = [{"scheduler": made, "interval": "step"}]
        grid = getattr(getattr(self.trainer, "datamodule", None), "grid", None)
        if grid is not None:
            follow_grid(made, steps, grid)
        for config in made:
            if config["interval"] == "epoch":  # the score is new after a validation alone
                config["frequency"] = self.trainer.check_val_every_n_epoch
        return [optimizer], made

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        strategy = self.trainer.strategy
        if isinstance(strategy, FSDPStrategy) and gradient_clip_algorithm != "value":
            if gradient_clip_val is not None:  # the norm over all shards, which Lightning refuses
                strategy.model.clip_grad_norm_(gradient_clip_val)  # type: ignore[union-attr,operator]
            return
        self.clip_gradients(optimizer, gradient_clip_val, gradient_clip_algorithm)

    def _evaluate(self, batch: Any, loss: Metric, scores: MetricCollection) -> None:
        batch = self.batch_transform({**batch})
        logits_BVK = self.network(batch)
        probabilities_BK = view_probabilities(logits_BVK, self.multi_label, batch.get("weights"))
        label_B = batch["label"]
        if self.multi_label:
            with torch.autocast(probabilities_BK.device.type, enabled=False):  # refused there
                nll = nn.functional.binary_cross_entropy(probabilities_BK, label_B)
        else:
            nll = nn.functional.nll_loss(probabilities_BK.clamp_min(1e-12).log(), label_B)
        loss.update(nll, weight=len(label_B))
        self._score(scores, probabilities_BK, label_B)
        labels = [_classes_of(row) for row in label_B.tolist()]
        self.predictions.extend(
            zip(batch["video_id"], labels, probabilities_BK.tolist(), strict=True)
        )

    def _score(self, scores: MetricCollection, scores_BK: Tensor, label_B: Tensor) -> None:
        if not self.multi_label:
            scores.update(scores_BK, label_B)
            return
        for name, metric in scores.items(keep_base=True):
            if name == "mAP":
                metric.update(scores_BK, label_B.long())
            else:  # the best class counts as the label where it is one of the video's
                best_B = scores_BK.argmax(dim=1)
                right_B = label_B.gather(1, best_B[:, None])[:, 0] > 0
                other_B = (best_B + 1) % label_B.shape[1]
                metric.update(scores_BK, torch.where(right_B, best_B, other_B))

    def _log_epoch(self, split: str, loss: Metric, scores: MetricCollection) -> None:
        values = {f"{split}/loss": loss.compute(), **scores.compute()}
        loss.reset()
        scores.reset()
        self.log_dict(values, sync_dist=True)  # equal on every rank already
        shown = f"{split}/top1"
        if split == "val" and shown in values:
            self.log("val_top1", values[shown], prog_bar=True, logger=False, sync_dist=True)


def _classes_of(row: int | list[float]) -> int | tuple[int, ...]:
    """A label, or the classes whose entry is 1."""
    if isinstance(row, int):
        return row
    return tuple(index for index, value in enumerate(row) if value > 0)


def _scores(num_classes: int, prefix: str, names: Sequence[str]) -> MetricCollection:
    """Scores that torchmetrics sums over ranks; top-5 is top-K where K < 5."""
    metrics: dict[str, Metric] = {
        "top1": MulticlassAccuracy(num_classes, average="micro", validate_args=False),
        "top5": MulticlassAccuracy(
            num_classes, top_k=min(5, num_classes), average="micro", validate_args=False
        ),
        "mean_class_acc": MulticlassAccuracy(num_classes, average="macro", validate_args=False),
        "mAP": MultilabelAveragePrecision(num_classes, average="macro", validate_args=False),
    }
    # compute groups are found on the first batch: were it all correct, top-1 and top-5 would merge
    return MetricCollection(
        {name: metrics[name] for name in names}, prefix=prefix, compute_groups=False
    )
