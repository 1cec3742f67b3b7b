"""Activation checkpointing: memory for time (Chen et al. 2016)."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from stfw.models.depth import parts
from stfw.types import UserError


def recompute_activations(network: nn.Module) -> int:
    """Makes the encoders' blocks forget what they computed, and compute it again going backward.

    Gradients and batch norm's statistics are the same; names in the state dict are the same.

    Args:
        network: with ``encoders``; changed in place.

    Returns:
        The number of blocks.

    Raises:
        UserError: an encoder has no blocks: its layers stand side by side.
    """
    total = 0
    for stream, encoder in getattr(network, "encoders", nn.ModuleDict()).items():
        blocks = _blocks(encoder)
        if not blocks:
            raise UserError(
                f"activation_checkpointing: the encoder of {stream}, {type(encoder).__name__}, has "
                "no blocks of several layers to compute again"
            )
        for block in blocks:
            # an instance attribute: classes, and so the names of parameters, stay as they are
            block.forward = functools.partial(_again, block, block.forward)
        total += len(blocks)
    return total


def _blocks(encoder: nn.Module) -> list[nn.Module]:
    """Parts, as freezing counts them, that hold several layers."""
    names = [name for part in parts(encoder, fine=True) for name in part]
    modules = [encoder.get_submodule(name) for name in names if name]
    return [m for m in modules if sum(1 for p in m.parameters()) > 2 and any(m.children())]


def _again(block: nn.Module, forward: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """A block's forward that keeps its input alone."""
    if not torch.is_grad_enabled():
        return forward(*args, **kwargs)

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), _still(block)

    return checkpoint(forward, *args, use_reentrant=False, context_fn=contexts, **kwargs)


@contextmanager
def _still(block: nn.Module) -> Iterator[None]:
    """Batch norms do not count the same clips twice."""
    norms = [m for m in block.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    kept = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
        # counts into a copy; the very same tensors must be kept as the first time
        norm.num_batches_tracked = norm.num_batches_tracked.clone()  # type: ignore[union-attr]
    try:
        yield
    finally:
        for norm, (momentum, count) in zip(norms, kept, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, count
