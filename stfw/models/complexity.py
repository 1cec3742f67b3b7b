"""Exact parameter counts and multiply-accumulates, on the meta device: no memory, no sums."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.overrides import TorchFunctionMode
from torch.utils.flop_counter import FlopCounterMode

DRAWING = (Tensor.normal_, Tensor.uniform_, Tensor.erfinv_)


class _Undrawn(TorchFunctionMode):
    """First weights are not drawn, which takes a good part of the time that building takes."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        return args[0] if func in DRAWING else func(*args, **(kwargs or {}))


@contextmanager
def on_meta() -> Iterator[None]:
    """Networks that are built here have shapes and names alone."""
    with torch.device("meta"), _Undrawn():
        yield


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
    for layer in meta.modules():
        if isinstance(layer, _BatchNorm):  # slow there, and of no multiplications that count
            layer.forward = _as_it_is  # type: ignore[assignment]
    batch = {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        meta(batch)
    return counter.get_total_flops() / 2 / 1e9


def _as_it_is(x: Tensor) -> Tensor:
    return x
