"""Losses that take labels, or shares of classes where videos were mixed, and know rare classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.ops import sigmoid_focal_loss

from stfw.types import UserError

ClassWeights = Literal["inverse", "sqrt", "effective"]
EFFECTIVE_BETA = 0.999  # Cui et al. 2019 compare 0.9 to 0.9999


class _ByClass(nn.Module):
    """A loss that may weigh classes by how many training videos they have.

    Args:
        class_weights: see ``weights_of``; or a number per class; None: all alike.
    """

    weight_K: Tensor | None

    def __init__(self, class_weights: ClassWeights | list[float] | None) -> None:
        super().__init__()
        self.class_weights = class_weights
        self.register_buffer("weight_K", None, persistent=False)

    def set_counts(self, counts_K: Sequence[int], num_videos: int) -> None:
        """Tells how many of ``num_videos`` training videos have each class.

        Raises:
            UserError: a list of weights of another length.
        """
        given = self.class_weights
        if given is None:
            return
        if isinstance(given, str):
            self.weight_K = weights_of(counts_K, given)
        else:
            self.weight_K = _one_each(given, len(counts_K), "loss.class_weights")


class CrossEntropy(_ByClass):
    """Cross-entropy of one label per video, with label smoothing.

    A video's loss is multiplied by the weight of its class, and the mean is over videos. Without
    weights it is ``torch.nn.CrossEntropyLoss``.

    Args:
        label_smoothing: this share of the target is spread evenly over all classes (Szegedy et al.
            2016); of mixed targets too.
        class_weights: ``inverse``, ``sqrt`` or ``effective`` (see ``weights_of``), or a number per
            class.
    """

    def __init__(
        self,
        label_smoothing: float = 0.0,
        class_weights: ClassWeights | list[float] | None = None,
    ) -> None:
        super().__init__(class_weights)
        _check_share("label_smoothing", label_smoothing)
        self.label_smoothing = label_smoothing

    def forward(self, logits_BK: Tensor, target: Tensor) -> Tensor:
        """Target: int64 B, or shares of classes, float B K."""
        weight_K, smoothing = self.weight_K, self.label_smoothing
        if weight_K is None:
            return functional.cross_entropy(logits_BK, target, label_smoothing=smoothing)
        # torch's own mean would divide by the weights of labels, but not by those of shares
        loss_B = functional.cross_entropy(
            logits_BK, target, weight_K, reduction="none", label_smoothing=smoothing
        )
        return loss_B.mean()


class Focal(_ByClass):
    """Cross-entropy that looks away from what is already right (Lin et al. 2017), over a softmax.

    ``-(1 - p)^gamma * log p`` of the label's probability ``p``; of mixed targets the sum over
    classes, by their shares.

    Args:
        gamma: 0 is cross-entropy; 2 is the paper's.
        class_weights: as in ``CrossEntropy``; the paper's alpha, for many classes.
    """

    def __init__(
        self, gamma: float = 2.0, class_weights: ClassWeights | list[float] | None = None
    ) -> None:
        super().__init__(class_weights)
        self.gamma = _gamma(gamma)

    def forward(self, logits_BK: Tensor, target: Tensor) -> Tensor:
        """Target: int64 B, or shares of classes, float B K."""
        log_BK = logits_BK.float().log_softmax(dim=1)
        target_BK = shares(target, log_BK)
        if self.weight_K is not None:
            target_BK = target_BK * self.weight_K
        return -(target_BK * (1 - log_BK.exp()) ** self.gamma * log_BK).sum(dim=1).mean()


class BinaryCrossEntropy(nn.Module):
    """Binary cross-entropy of every class on its own: one label per video, several, or shares.

    Args:
        label_smoothing: targets are pulled so far from 0 and 1 towards one half.
        pos_weight: factor of a class where a video has it: ``balanced`` is (videos without) /
            (videos with) per class; or a number per class.
        sum_classes: add up the classes' losses; otherwise their mean, which with one label among
            many classes leaves small gradients.
    """

    pos_weight_K: Tensor | None

    def __init__(
        self,
        label_smoothing: float = 0.0,
        pos_weight: Literal["balanced"] | list[float] | None = None,
        sum_classes: bool = False,
    ) -> None:
        super().__init__()
        _check_share("label_smoothing", label_smoothing)
        self.label_smoothing, self.pos_weight = label_smoothing, pos_weight
        self.sum_classes = sum_classes
        self.register_buffer("pos_weight_K", None, persistent=False)

    def set_counts(self, counts_K: Sequence[int], num_videos: int) -> None:
        """See ``CrossEntropy``."""
        given = self.pos_weight
        if given == "balanced":
            with_K = torch.tensor(counts_K, dtype=torch.float32)
            self.pos_weight_K = (num_videos - with_K).clamp_min(1) / with_K.clamp_min(1)
        elif given is not None:
            self.pos_weight_K = _one_each(given, len(counts_K), "loss.pos_weight")

    def forward(self, logits_BK: Tensor, target: Tensor) -> Tensor:
        """Target: int64 B, or float B K."""
        target_BK = shares(target, logits_BK)
        if self.label_smoothing:
            target_BK = target_BK * (1 - self.label_smoothing) + self.label_smoothing / 2
        loss = functional.binary_cross_entropy_with_logits(
            logits_BK, target_BK, pos_weight=self.pos_weight_K
        )
        return loss * logits_BK.shape[1] if self.sum_classes else loss


class SigmoidFocal(nn.Module):
    """The focal loss of every class on its own (Lin et al. 2017); torchvision's.

    Args:
        gamma: 2 is the paper's.
        alpha: weight of the classes that a video has, against 1 - alpha of those it has not; -1:
            none.
        sum_classes: add up the classes' losses; otherwise their mean.
    """

    def __init__(self, gamma: float = 2.0, alpha: float = 0.25, sum_classes: bool = False) -> None:
        super().__init__()
        if alpha != -1:
            _check_share("alpha", alpha)
        self.gamma, self.alpha, self.sum_classes = _gamma(gamma), alpha, sum_classes

    def forward(self, logits_BK: Tensor, target: Tensor) -> Tensor:
        """Target: int64 B, or float B K."""
        logits_BK = logits_BK.float()
        target_BK = shares(target, logits_BK)
        loss = sigmoid_focal_loss(logits_BK, target_BK, self.alpha, self.gamma, reduction="mean")
        return loss * logits_BK.shape[1] if self.sum_classes else loss


def weights_of(counts_K: Sequence[int], rule: ClassWeights) -> Tensor:
    """Weights of classes, float32 K, whose mean over the training videos is 1.

    Args:
        counts_K: training videos of each class.
        rule: ``inverse``: 1 / count; ``sqrt``: 1 / sqrt(count); ``effective``: (1 - b) / (1 -
            b^count) with b = 0.999 (Cui et al. 2019). A class without videos counts as one.
    """
    count_K = torch.tensor(counts_K, dtype=torch.float64).clamp_min(1)
    if rule == "inverse":
        weight_K = 1 / count_K
    elif rule == "sqrt":
        weight_K = count_K.rsqrt()
    else:
        weight_K = (1 - EFFECTIVE_BETA) / (1 - EFFECTIVE_BETA**count_K)
    return (weight_K * count_K.sum() / (weight_K * count_K).sum()).float()


def shares(target: Tensor, logits_BK: Tensor) -> Tensor:
    """Labels (int64 B) as shares of classes, float B K; shares as they are."""
    if target.ndim == 2:
        return target
    return functional.one_hot(target, logits_BK.shape[1]).to(logits_BK.dtype)


def _one_each(values: Sequence[float], num_classes: int, name: str) -> Tensor:
    if len(values) != num_classes:
        raise UserError(f"{name} has {len(values)} numbers, and the data {num_classes} classes")
    return torch.tensor(values, dtype=torch.float32)


def _gamma(gamma: float) -> float:
    if gamma < 0:
        raise UserError(f"loss.gamma={gamma} is below 0")
    return gamma


def _check_share(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise UserError(f"loss.{name}={value} is not in 0..1")
