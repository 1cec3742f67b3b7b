"""Inflation: a 3D network from a 2D one's weights (Carreira & Zisserman 2017)."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from stfw.models.encoders.nonlocal_block import NonLocal
from stfw.models.states import adapt_channels
from stfw.types import UserError


def inflate(state_2d: Mapping[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """Repeats each 2D kernel over time and divides it by its frames.

    On a still video the 3D network then gives what the 2D one gives on its picture, as far from
    the video's ends as its convolutions, which see zeros there, reach.

    Args:
        state_2d: of a 2D network of the same layers in the same order, torchvision's or timm's
            ResNet-50 for a 3D ResNet-50; what follows the last convolution is left out.
        network: of 3D convolutions and batch norms; non-local blocks, which begin as identities,
            are passed over. Where the first convolution takes another number of channels it gets
            the mean over colours.

    Returns:
        State of the network's convolutions and batch norms, non-local blocks left out.

    Raises:
        UserError: the layers do not pair up.
    """
    layers_2d = _layers_2d(state_2d)
    layers = _layers(network)
    if len(layers_2d) != len(layers):
        raise UserError(
            f"a 2D network of {len(layers_2d)} convolutions and norms cannot be inflated into one "
            f"of {len(layers)}"
        )
    state: dict[str, Tensor] = {}
    for (name_2d, layer_2d), (name, layer) in zip(layers_2d, layers, strict=True):
        is_norm = isinstance(layer, _BatchNorm)
        if is_norm != ("running_mean" in layer_2d):
            raise UserError(f"{name_2d} cannot be inflated into {name}: another kind of layer")
        for key, value in layer_2d.items():
            own = getattr(layer, key, None)
            if key == "num_batches_tracked":
                continue
            if own is None:
                raise UserError(f"{name_2d}.{key} has no place in {name}")
            if key == "weight" and not is_norm:
                frames = own.shape[2]
                value = value.unsqueeze(2).repeat(1, 1, frames, 1, 1) / frames
                value = _first(value, own) if not state else value
            if value.shape != own.shape:
                raise UserError(
                    f"{name_2d}.{key} {tuple(layer_2d[key].shape)} cannot be inflated into "
                    f"{name}.{key} {tuple(own.shape)}"
                )
            state[f"{name}.{key}"] = value
    return state


def _first(value: Tensor, own: Tensor) -> Tensor:
    adapted = adapt_channels(value, own.shape)
    return value if adapted is None else adapted


def _layers_2d(state: Mapping[str, Tensor]) -> list[tuple[str, dict[str, Tensor]]]:
    """Convolutions and batch norms in the order of the state, which is that of definition."""
    found: dict[str, dict[str, Tensor]] = {}
    for name, value in state.items():
        layer, _, key = name.rpartition(".")
        found.setdefault(layer, {})[key] = value
    return [
        (layer, keys)
        for layer, keys in found.items()
        if "running_mean" in keys or ("weight" in keys and keys["weight"].ndim == 4)
    ]


def _layers(network: nn.Module) -> list[tuple[str, nn.Module]]:
    inside = {
        id(m) for block in network.modules() if isinstance(block, NonLocal) for m in block.modules()
    }
    return [
        (name, module)
        for name, module in network.named_modules()
        if isinstance(module, nn.Conv3d | _BatchNorm) and id(module) not in inside
    ]
