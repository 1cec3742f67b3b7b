"""Queries, keys and values that somebody else keeps apart -> one matrix."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from stfw.types import UserError


def join_qkv(state: Mapping[str, Tensor], source: str) -> dict[str, Tensor]:
    """``attn.q.weight``, ``attn.k.weight``, ``attn.v.weight`` -> ``attn.qkv.weight``; so of biases.

    Raises:
        UserError: one of three is missing.
    """
    ours: dict[str, Tensor] = {}
    for name, tensor in state.items():
        match = re.fullmatch(r"(.*attn\.)([qkv])\.(weight|bias)", name)
        if match is None:
            ours[name] = tensor
            continue
        joined = f"{match[1]}qkv.{match[3]}"
        if joined in ours:
            continue
        parts = [state.get(f"{match[1]}{letter}.{match[3]}") for letter in "qkv"]
        present = [part for part in parts if part is not None]
        if len(present) < 3:
            raise UserError(f"{source}: {name} is there, but not all of its q, k and v")
        ours[joined] = torch.cat(present)
    return ours
