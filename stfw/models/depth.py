"""The parts of a network in order of depth: what freezing and layer-wise learning rates count."""

from __future__ import annotations

from torch import nn


def parts(encoder: nn.Module, fine: bool = False) -> list[list[str]]:
    """Names of submodules, part by part, from the input on.

    A part is a child of the encoder. A list of layers is opened where it is the only one: so a
    ResNet has its stem and four stages, a transformer its patch embedding and its blocks, a plain
    chain its layers. A norm belongs to the layer before it.

    An encoder whose children do not stand in order of depth says its parts itself, in an attribute
    ``depth_parts`` of the same form.

    Args:
        encoder: the network.
        fine: open every list, so that each residual block is a part of its own.
    """
    told = getattr(encoder, "depth_parts", None)
    if told is not None:
        return [list(names) for names in told]
    prefix, module = "", encoder
    while len(inner := _children(module)) == 1 and _children(inner[0][1]):  # a mere wrapper
        prefix, module = f"{prefix}{inner[0][0]}.", inner[0][1]
    lists = [child for _, child in inner if _is_list(child)]
    found: list[list[str]] = []

    def add(name: str, child: nn.Module, open_it: bool) -> None:
        if open_it and _is_list(child):
            for inner_name, inner_child in _children(child):
                # what holds one list and norms, as a transformer does, is opened through
                through = fine or not isinstance(child, nn.Sequential | nn.ModuleList)
                add(f"{name}.{inner_name}", inner_child, through)
        elif found and _is_norm(child):
            found[-1].append(name)
        else:
            found.append([name])

    for name, child in inner:
        add(prefix + name, child, fine or lists == [child])
    return found


def part_of(name: str, by_part: list[list[str]]) -> int:
    """The part that a parameter belongs to, counted from 0.

    What stands beside the parts (class token, positions) belongs to the first of its neighbours.
    """
    for number, names in enumerate(by_part):
        if any(name == own or name.startswith(own + ".") for own in names):
            return number
    beside = name.rpartition(".")[0]
    for number, names in enumerate(by_part):
        if any(own.startswith(beside + ".") for own in names):
            return number
    return 0


def _children(module: nn.Module) -> list[tuple[str, nn.Module]]:
    """Children that have parameters."""
    return [(n, c) for n, c in module.named_children() if next(c.parameters(), None) is not None]


def _is_norm(module: nn.Module) -> bool:
    """Whether a module only scales and shifts."""
    return not _children(module) and all(p.ndim <= 1 for p in module.parameters())


def _is_list(module: nn.Module) -> bool:
    """Whether a module is a list of layers, or holds nothing but one and norms."""
    layers = [child for _, child in _children(module) if not _is_norm(child)]
    if isinstance(module, nn.Sequential | nn.ModuleList):
        return len(layers) > 1  # a convolution with its norm is one layer
    return len(layers) == 1 and _is_list(layers[0])
