"""Somebody else's checkpoint file -> its tensors by name. Nothing in the file is executed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from stfw.models.states import few
from stfw.types import UserError, nearest

# keys under which training programs keep the state, the most specific first
WRAPPERS = ("model_state_dict", "model_state", "state_dict", "model", "module", "network", "net")
PREFIXES = ("module.", "_orig_mod.", "model.", "network.")  # of every key, from wrappers


def read_foreign(path: Path) -> dict[str, Tensor]:
    """Tensors of a torch, safetensors or NumPy (``.npz``) file, taken out of usual wrappers.

    Raises:
        UserError: nothing there, not such a file, or objects in it that are no plain data.
    """
    if not path.is_file():
        siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        raise UserError(f"{path}: there is no such file{nearest(path.name, siblings)}")
    try:
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                content: Any = {name: torch.from_numpy(arrays[name]) for name in arrays.files}
        elif path.suffix == ".safetensors":
            from safetensors.torch import load_file

            content = load_file(path)
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a zip, pickle, header or storage error, by the kind of damage
        reason = " ".join(str(error).split()) or type(error).__name__
        if "weights_only" in reason:
            found = reason.partition("Unsupported global: GLOBAL ")[2].split(" ")[0]
            reason = (
                f"it holds objects beside tensors ({found or 'pickled code'}), which stfw does not "
                "load; save its state dict alone, in a place where you trust it"
            )
        raise UserError(f"{path}: cannot be read as weights: {reason[:300]}") from error
    return unwrap(content, str(path))


def unwrap(content: Any, where: str = "the file") -> dict[str, Tensor]:
    """The state dict inside what training programs save.

    Raises:
        UserError: there is none.
    """
    state = content
    while isinstance(state, Mapping) and not _is_state(state):
        inner = next((state[key] for key in WRAPPERS if isinstance(state.get(key), Mapping)), None)
        if inner is None:
            break
        state = inner
    if not isinstance(state, Mapping) or not _is_state(state):
        keys = [str(key) for key in state] if isinstance(state, Mapping) else []
        there = f"; there are: {few(keys)}" if keys else ""
        raise UserError(
            f"{where}: there is no state dict inside (looked for {', '.join(WRAPPERS)}{there})"
        )
    tensors = {str(key): value for key, value in state.items() if isinstance(value, Tensor)}
    while prefix := next((p for p in PREFIXES if all(k.startswith(p) for k in tensors)), None):
        tensors = {key.removeprefix(prefix): value for key, value in tensors.items()}
    return tensors


def _is_state(content: Mapping[Any, Any]) -> bool:
    """Whether tensors stand in it by name, beside numbers at most."""
    return any(isinstance(value, Tensor) for value in content.values()) and not any(
        isinstance(value, Mapping) and key in WRAPPERS for key, value in content.items()
    )
