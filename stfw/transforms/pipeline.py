"""The chain of a video's transforms: named steps, each with random numbers of its own."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

ClipTransform = Callable[[Tensor, np.random.Generator, str], Tensor]


class ClipPipeline:
    """Runs named steps in their order on uint8 clips; a step set to null is left out.

    A step is called with ``x_NCTHW``, a generator and the kind of stream (``rgb``, ``flow`` or
    ``difference``). Its generator is made from the view's seed and the step's name: all streams of
    a view are cut and mirrored alike, all frames too, and taking a step out changes no other.
    """

    def __init__(self, steps: Mapping[str, ClipTransform | None]) -> None:
        self.steps = {name: step for name, step in steps.items() if step is not None}

    def __call__(self, x_NCTHW: Tensor, seed: int, kind: str = "rgb") -> Tensor:
        for name, step in self.steps.items():
            generator = np.random.default_rng([seed, zlib.crc32(name.encode())])
            x_NCTHW = step(x_NCTHW, generator, kind)
        return x_NCTHW


def fold_frames(x_NCTHW: Tensor) -> Tensor:
    """Frames one after the other, as torchvision takes them: N * T, C, H, W."""
    return x_NCTHW.transpose(1, 2).reshape(-1, x_NCTHW.shape[1], *x_NCTHW.shape[-2:])


def unfold_frames(x_FCHW: Tensor, num_clips: int) -> Tensor:
    """The inverse of ``fold_frames``: N C T H W."""
    return x_FCHW.unflatten(0, (num_clips, -1)).transpose(1, 2)


def seeded(
    transform: Callable[[Tensor], Tensor], x: Tensor, generator: np.random.Generator
) -> Tensor:
    """Calls what draws from torch's global generator, with numbers of ``generator`` instead."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(generator.integers(2**63)))
        return transform(x)
