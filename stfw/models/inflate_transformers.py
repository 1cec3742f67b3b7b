"""Video transformers from a picture transformer's weights."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from stfw.models.encoders._vit import resize_positions
from stfw.models.states import differences
from stfw.types import UserError


def inflate_vit(state_2d: Mapping[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """TimeSformer or ViViT from timm's vision transformer, as their authors do.

    Places are those of the picture at every moment, interpolated where the crop is another. In
    TimeSformer attention over time and its norm begin as a copy of those over space (Bertasius et
    al. 2021, their code). ViViT's tubelets see their middle frame alone at first (Arnab et al.
    2021, "central frame initialisation").

    Args:
        state_2d: of timm's ``vit_...``, without its classifier.
        network: a ``TimeSformer`` or ``ViViT`` of the same width, depth and patches.

    Returns:
        State of the network but for what a picture has no part of: positions in time, the layer
        after attention over time, ViViT's second transformer.

    Raises:
        UserError: the layers do not pair up.
    """
    own = network.state_dict()
    room = "space." if "space.positions" in own else ""
    new = ("time_positions", "time.", "time_fc.")
    state: dict[str, Tensor] = {}
    for name, value in state_2d.items():
        if name == "cls_token":
            state[f"{room}class_token"] = value
        elif name == "pos_embed":
            positions = f"{room}positions"
            reader: Any = network.get_submodule(room.rstrip("."))
            state[positions] = _places(value[0], reader.grid, len(own[positions]) - 1)
        elif name.startswith("patch_embed.proj."):
            key = name.replace("patch_embed.proj", "patch")
            state[key] = _middle_frame(value, own[key]) if own[key].ndim == 5 else value
        else:
            state[room + name] = value
    for name in own:
        source = name.replace("time_attn", "attn").replace("time_norm", "norm1")
        if source != name and source in state:
            state[name] = state[source].clone()
    old = {name: value for name, value in own.items() if not any(part in name for part in new)}
    return _checked(state, old)


def inflate_swin(state_2d: Mapping[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """Video Swin from torchvision's Swin (Liu et al. 2022, section 3.3).

    The patches' kernel is repeated over time and divided by its frames; the table of relative
    positions is repeated for every distance in time. A still video then gives the picture's
    features, as long as no window is filled up in time.

    Args:
        state_2d: of torchvision's ``swin_t``, ``swin_s`` or ``swin_b``.
        network: a ``Swin3D`` of the same widths, depths, heads and rows and columns of a window.

    Returns:
        State of the whole network but for its fixed indices.

    Raises:
        UserError: the layers do not pair up.
    """
    own = {n: v for n, v in network.state_dict().items() if not n.endswith("position_index")}
    state: dict[str, Tensor] = {}
    for name, value in state_2d.items():
        if name.startswith("head.") or name.endswith("position_index"):
            continue
        room, *rest = name.split(".")
        if room == "features":  # the first is the patches, which stand apart in 3D
            stage, inner = int(rest[0]), ".".join(rest[1:])
            patch = inner.replace("0.", "proj.", 1).replace("2.", "norm.", 1)
            name = f"features.{stage - 1}.{inner}" if stage else f"patch_embed.{patch}"
        name = f"net.{name}"
        if name == "net.patch_embed.proj.weight":
            frames = own[name].shape[2]
            value = value.unsqueeze(2).repeat(1, 1, frames, 1, 1) / frames
        elif name.endswith("bias_table") and name in own:
            value = value.repeat(max(1, len(own[name]) // len(value)), 1)
        state[name] = value
    return _checked(state, own)


def _places(table_SD: Tensor, grid: tuple[int, int, int], num_places: int) -> Tensor:
    """A picture's positions, the class token's first, for ``num_places`` of a clip's grid."""
    side = math.isqrt(len(table_SD) - 1)
    places_PD = resize_positions(table_SD[1:], (1, side, side), (1, *grid[1:]))
    moments = num_places // len(places_PD)
    return torch.cat([table_SD[:1], places_PD.repeat(moments, 1)])


def _middle_frame(kernel_OIHW: Tensor, own_OITHW: Tensor) -> Tensor:
    frames = own_OITHW.shape[2]
    kernels = [torch.zeros_like(kernel_OIHW)] * frames
    kernels[frames // 2] = kernel_OIHW
    return torch.stack(kernels, dim=2)


def _checked(state: dict[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    if wrong := differences(own, state):
        raise UserError(f"a 2D network of other layers cannot be inflated ({wrong})")
    return state
