"""Reference implementations that ours are compared with, where they are installed."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import sys
import types
from types import ModuleType

import pytest
import torch
from torch import Tensor, nn

TOLERANCE = 1e-4
told: list[tuple[str, object]] = []  # of the running test: shown in the summary, see conftest.py


def needs(name: str) -> ModuleType:
    """A reference package; the test is skipped without it, and fails where STFW_PARITY is set."""
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        reason = f'{name} is not installed (pip install -e ".[parity]")'
        if os.environ.get("STFW_PARITY"):
            raise AssertionError(reason) from error
        pytest.skip(reason)
    library = name.partition(".")[0]
    told.append(("reference", f"{library} {importlib.metadata.version(library)}"))
    return module


def pytorchvideo(name: str = "pytorchvideo") -> ModuleType:
    """A module of PyTorchVideo, which asks for a file that torchvision has since moved."""
    try:
        importlib.import_module("torchvision.transforms.functional_tensor")
    except ImportError:
        import torchvision.transforms.v2.functional as moved

        stand_in = types.ModuleType("torchvision.transforms.functional_tensor")
        stand_in.__dict__.update(vars(moved))
        sys.modules[stand_in.__name__] = stand_in
    return needs(name)


def randomise(network: nn.Module, seed: int = 0) -> nn.Module:
    """Random weights and batch-norm statistics that keep activations near 1; eval mode."""
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            fan_in = max(1, parameter[0].numel()) if parameter.ndim > 1 else 0
            scale = (1.5 / fan_in) ** 0.5 if fan_in else 0.1
            parameter.add_(scale * torch.randn(parameter.shape, generator=draw))
        for name, buffer in network.named_buffers():
            if name.endswith("running_mean"):
                buffer.copy_(0.1 * torch.randn(buffer.shape, generator=draw))
            elif name.endswith("running_var"):
                buffer.copy_(0.8 + 0.4 * torch.rand(buffer.shape, generator=draw))
    return network.eval()


def assert_equal_logits(ours_BK: Tensor, theirs_BK: Tensor, reference: str) -> None:
    """Within 1e-4 of each other, and not all alike."""
    assert ours_BK.shape == theirs_BK.shape
    assert theirs_BK.std() > 1e-3, f"{reference}: the logits say nothing"
    difference = float((ours_BK - theirs_BK).abs().max())
    told.append(("compared", f"{reference}: logits within {difference:.0e}"))
    assert difference <= TOLERANCE, f"{reference}: logits differ by {difference:.2e}"
