"""Weights files of stfw: safetensors that say what they are and carry their own checksum."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from stfw.types import UserError

FORMAT = "stfw weights 1"
CHECKSUM = "tensors_sha256"
PIXELS = ("mean", "std", "motion_std")  # of the input: how its numbers are normalised
PLAIN = (
    "classes",
    "input",
    "settings",
    "num_classes",
    "dropped",
)  # kept as JSON; the others are text


def write(path: Path, state: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
    """Writes beside the target and renames.

    Args:
        path: the file.
        state: tensors by name.
        about: what the file says of itself; None values are left out.

    Raises:
        UserError: it cannot be written.
    """
    owned = {name: value.detach().clone().contiguous() for name, value in state.items()}
    texts = {
        name: json.dumps(value, ensure_ascii=False) if name in PLAIN else str(value)
        for name, value in about.items()
        if value is not None
    }
    texts |= {"format": FORMAT, CHECKSUM: digest(owned)}
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(owned, part, texts)
        with part.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(part, path)
    except (OSError, SafetensorError) as error:
        part.unlink(missing_ok=True)
        raise UserError(f"{path}: the weights cannot be written: {error}") from error


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors, and what the file says of itself (empty where somebody else wrote it).

    Raises:
        UserError: it cannot be read, or does not match its checksum.
    """
    try:
        with safe_open(path, framework="pt") as file:
            texts = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no dict
        about = {k: json.loads(v) if k in PLAIN else v for k, v in texts.items()}
    except (OSError, SafetensorError, ValueError) as error:
        raise UserError(f"{path}: cannot be read as safetensors: {error}") from error
    if CHECKSUM in about and about[CHECKSUM] != digest(state):
        raise UserError(f"{path}: the tensors do not match their checksum; import them again")
    return state, about


def digest(state: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, types, shapes and values."""
    total = hashlib.sha256()
    for name, value in sorted(state.items()):
        total.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        flat = value.detach().cpu().contiguous().flatten()
        total.update(flat.view(torch.uint8).numpy().data)
    return total.hexdigest()
