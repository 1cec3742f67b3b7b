"""Exact parameter counts and multiply-accumulates, on the meta device: no memory, no sums."""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


def num_parameters(network: nn.Module) -> int:
    """Number of parameters; buffers (batch-norm statistics) are not counted."""
    return sum(parameter.numel() for parameter in network.parameters())


def gmacs(network: nn.Module, shapes: dict[str, tuple[int, ...]]) -> float:
    """GMACs of one forward pass: convolutions, linear layers, matrix products, recurrences.

    The literature's "FLOPs" of video networks are such multiply-accumulates. The count runs on
    the meta device, because CPU kernels hide attention and LSTM from the counter.

    Args:
        network: takes a batch mapping, as ``Recognizer`` does.
        shapes: stream name to the shape of its input, for one view: 1 1 N C T H W.
    """
    meta = copy.deepcopy(network).to("meta").eval()
    batch = {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        meta(batch)
    return counter.get_total_flops() / 2 / 1e9
