"""Transforms of a whole batch, on the device, after the uint8 pixels have been moved there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from stfw.types import Batch, UserError


@dataclass(frozen=True)
class Facts:
    """What is the same for every batch of a run.

    Attributes:
        kinds: stream name to its kind: ``rgb``, ``flow``, ``difference`` or ``audio``.
        num_classes: K.
    """

    kinds: Mapping[str, str]
    num_classes: int


class BatchPipeline(nn.Module):
    """Runs named steps in their order; a step set to null is left out.

    A step is called with the batch and the facts about it, and changes the batch in place. Steps
    that augment do so in training mode alone.

    Args:
        steps: name to step.
        kinds: stream name to its kind.
        num_classes: K.
    """

    def __init__(
        self, steps: Mapping[str, nn.Module | None], kinds: Mapping[str, str], num_classes: int
    ) -> None:
        super().__init__()
        self.steps = nn.ModuleDict({k: step for k, step in steps.items() if step is not None})
        self.facts = Facts(dict(kinds), num_classes)

    def forward(self, batch: Batch) -> Batch:
        for step in self.steps.values():
            step(batch, self.facts)
        return batch


class Normalize(nn.Module):
    """Numbers of the loader's range to numbers around 0.

    RGB: ``(x / 255 - mean) / std`` per channel. Flow and difference: ``(x / 255 - 0.5) /
    motion_std``, so that no motion is 0. Audio: ``(x - audio_mean) / audio_std`` of the log-mel
    values.

    Args:
        mean: per colour, of values in 0..1.
        std: per colour, of values in 0..1.
        audio_mean: of log-mel values.
        audio_std: of log-mel values.
        motion_std: of flow and difference, of values in 0..1; 0.5 gives -1..1, as I3D takes them.
    """

    mean_C: Tensor
    std_C: Tensor

    def __init__(
        self,
        mean: Sequence[float] = (0.45, 0.45, 0.45),
        std: Sequence[float] = (0.225, 0.225, 0.225),
        audio_mean: float = -6.0,
        audio_std: float = 4.0,
        motion_std: float = 0.25,
    ) -> None:
        super().__init__()
        self.register_buffer("mean_C", torch.tensor(list(mean)) * 255, persistent=False)
        self.register_buffer("std_C", torch.tensor(list(std)) * 255, persistent=False)
        self.motion_std = motion_std
        self.audio_mean, self.audio_std = audio_mean, audio_std

    def forward(self, batch: Any, facts: Facts) -> None:
        for name, kind in facts.kinds.items():
            x = batch[name].float()
            if kind == "audio":
                batch[name] = (x - self.audio_mean) / self.audio_std
            elif kind == "rgb":
                batch[name] = (x - self.mean_C.view(-1, 1, 1, 1)) / self.std_C.view(-1, 1, 1, 1)
            else:
                batch[name] = (x - 127.5) / (255 * self.motion_std)


class MixUp(nn.Module):
    """Mixes each video with its neighbour in the batch, and their labels (Zhang et al. 2018).

    ``x = share * x_i + (1 - share) * x_(i-1)`` with one share per batch from Beta(alpha, alpha).

    Args:
        alpha: above 0; the larger, the nearer the shares are to one half.
        prob: of mixing a batch at all.
    """

    def __init__(self, alpha: float = 0.8, prob: float = 1.0) -> None:
        super().__init__()
        if alpha <= 0 or not 0 <= prob <= 1:
            raise UserError(f"mixup: alpha={alpha} must be above 0 and prob={prob} from 0 to 1")
        self.alpha, self.prob = alpha, prob

    def forward(self, batch: Any, facts: Facts) -> None:
        if not self.training or torch.rand(()) >= self.prob:
            return
        share = float(torch.distributions.Beta(self.alpha, self.alpha).sample())
        for name in facts.kinds:
            batch[name] = _blend(batch[name], share)
        batch["target"] = _blend(targets(batch, facts.num_classes), share)


class CutMix(nn.Module):
    """Puts a box of the neighbour's pictures into each video (Yun et al. 2019).

    The box is the same share of every visual stream and of all frames; labels, and sound, are mixed
    by its area.

    Args:
        alpha: above 0.
        prob: of mixing a batch at all.
    """

    def __init__(self, alpha: float = 1.0, prob: float = 0.5) -> None:
        super().__init__()
        if alpha <= 0 or not 0 <= prob <= 1:
            raise UserError(f"cutmix: alpha={alpha} must be above 0 and prob={prob} from 0 to 1")
        self.alpha, self.prob = alpha, prob

    def forward(self, batch: Any, facts: Facts) -> None:
        if not self.training or torch.rand(()) >= self.prob:
            return
        side = float((1 - torch.distributions.Beta(self.alpha, self.alpha).sample()).sqrt())
        centre_y, centre_x = torch.rand(2).tolist()
        shares_y = [min(max(centre_y + s * side / 2, 0.0), 1.0) for s in (-1, 1)]
        shares_x = [min(max(centre_x + s * side / 2, 0.0), 1.0) for s in (-1, 1)]
        area = (shares_y[1] - shares_y[0]) * (shares_x[1] - shares_x[0])
        for name, kind in facts.kinds.items():
            x = batch[name]
            if kind == "audio":
                batch[name] = _blend(x, 1 - area)
                continue
            top, bottom = (round(share * x.shape[-2]) for share in shares_y)
            left, right = (round(share * x.shape[-1]) for share in shares_x)
            mixed = x.clone()
            mixed[..., top:bottom, left:right] = x.roll(1, 0)[..., top:bottom, left:right]
            batch[name] = mixed
        batch["target"] = _blend(targets(batch, facts.num_classes), 1 - area)


class SpecAugment(nn.Module):
    """Blanks bands of frequencies and of time in log-mel pictures (Park et al. 2019).

    Args:
        max_mels: widest band of frequencies, in mel bins.
        max_steps: widest band of time, in columns.
        num_masks: bands of either kind, per video.
    """

    def __init__(self, max_mels: int = 8, max_steps: int = 25, num_masks: int = 2) -> None:
        super().__init__()
        if min(max_mels, max_steps, num_masks) < 0:
            raise UserError(f"spec-augment: {max_mels=}, {max_steps=}, {num_masks=}: none below 0")
        self.max_mels, self.max_steps, self.num_masks = max_mels, max_steps, num_masks

    def forward(self, batch: Any, facts: Facts) -> None:
        if not self.training:
            return
        for name, kind in facts.kinds.items():
            if kind == "audio":
                x = batch[name].clone()
                for _ in range(self.num_masks):
                    x = _band(x, -2, self.max_mels)
                    x = _band(x, -1, self.max_steps)
                batch[name] = x


def targets(batch: Any, num_classes: int) -> Tensor:
    """Labels as shares of classes: float32 B K."""
    if "target" in batch:
        return batch["target"]
    label = batch["label"]
    return label if label.ndim == 2 else functional.one_hot(label, num_classes).float()


def _blend(x: Tensor, share: float) -> Tensor:
    return share * x + (1 - share) * x.roll(1, 0)


def _band(x_BVNCML: Tensor, dim: int, max_width: int) -> Tensor:
    """A band of random place and width along ``dim`` set to 0, another for each video."""
    size, B = x_BVNCML.shape[dim], len(x_BVNCML)
    width_B = torch.randint(0, min(max_width, size) + 1, (B,))
    begin_B = (torch.rand(B) * (size - width_B + 1)).long()
    place = torch.arange(size)
    inside = (place >= begin_B[:, None]) & (place < (begin_B + width_B)[:, None])
    shape = [B, 1, 1, 1, 1, 1]
    shape[dim] = size
    return x_BVNCML.masked_fill(inside.view(shape).to(x_BVNCML.device), 0.0)
