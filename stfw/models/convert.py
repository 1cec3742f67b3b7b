"""From a foreign state dict to ours, through ``stfw.models.converters.<encoder>``."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from stfw.models import converters
from stfw.models.origin import Network, Rules, Source
from stfw.models.states import Differences, differences
from stfw.types import UserError, nearest

PREFIX = "from_"


@dataclass(frozen=True)
class Converted:
    """Tensors under our names, all of them and in the shapes of the network.

    Attributes:
        source: whose naming it was.
        networks: of that source, such as the weights may be of.
        state: keys begin with ``encoder.`` or ``head.``.
        num_classes: of the head; 0: the file has none.
        dropped: foreign names that have no part in the result.
    """

    source: str
    networks: list[Network]
    state: dict[str, Tensor]
    num_classes: int
    dropped: list[str]


def sources(encoder: str) -> dict[str, Source]:
    """Source to converter of an encoder (the name of its module).

    Raises:
        UserError: there are none for it.
    """
    known = {module.name for module in pkgutil.iter_modules(converters.__path__)}
    found: dict[str, Source] = {}
    if encoder in known:
        module = importlib.import_module(f"{converters.__name__}.{encoder}")
        found = {
            name.removeprefix(PREFIX): function
            for name, function in vars(module).items()
            if name.startswith(PREFIX) and isinstance(function, Source)
        }
    if not found:
        raise UserError(f"weights of the encoder '{encoder}' cannot be imported: no converter")
    return found


def convert(
    foreign: Mapping[str, Tensor],
    encoder: str,
    build: Callable[[int], nn.Module],
    source: str | None = None,
) -> Converted:
    """Tries an encoder's converters; the first whose result fits the network counts.

    Args:
        foreign: somebody else's state dict.
        encoder: name of the encoder's module.
        build: number of classes (0: no head) -> network whose state has keys ``encoder.`` and
            ``head.``; on the meta device.
        source: the only one to try; None: all.

    Raises:
        UserError: none fits; says of the nearest what is missing, unexpected or misshapen.
    """
    known = sources(encoder)
    if source is not None and source not in known:
        raise UserError(
            f"from={source}: there is no such source{nearest(source, known)} "
            f"(there are: {', '.join(known)})"
        )
    refusals: list[tuple[int, str]] = []
    for name, converter in known.items():
        if source not in (None, name):
            continue
        try:
            state = converter(foreign)
        except UserError as error:
            refusals.append((10**9, f"as {name}: {error}"))
            continue
        except (KeyError, ValueError, IndexError, RuntimeError) as error:  # of another layout
            refusals.append((10**9, f"as {name}: {type(error).__name__}: {error}"))
            continue
        num_classes = count_classes(state)
        own = build(num_classes).state_dict()
        wrong: Differences = differences(own, state)
        if not wrong:
            return Converted(
                name,
                list(converter.networks(foreign)),
                _typed(state, own),
                num_classes,
                dropped(foreign, converter),
            )
        refusals.append((len(wrong), f"as {name}: {wrong}"))
    refusals.sort(key=lambda refusal: refusal[0])
    few = [text for count, text in refusals if count == refusals[0][0]]
    raise UserError("the weights do not fit\n" + "\n".join(few))


def count_classes(state: Mapping[str, Tensor]) -> int:
    """K of a head's last layer; 0 without a head."""
    heads = [value for name, value in state.items() if name.startswith("head.")]
    return int(heads[-1].shape[0]) if heads else 0


def dropped(foreign: Mapping[str, Tensor], converter: Rules) -> list[str]:
    """Foreign names of which nothing arrives.

    Every tensor is replaced by a number of its own, and the result is searched for them, so that
    splitting, turning and joining do not matter.
    """
    numbers = [0.25 + index for index in range(1, len(foreign) + 1)]  # no constant of a converter
    tags = {
        name: torch.tensor(number, dtype=torch.float64).expand(value.shape)
        for name, number, value in zip(foreign, numbers, foreign.values(), strict=True)
    }
    arrived: set[float] = set()
    for value in converter(tags).values():
        if value.numel():
            low, high = float(value.min()), float(value.max())
            arrived |= {low} if low == high else set(value.unique().tolist())
    return [name for name, number in zip(foreign, numbers, strict=True) if number not in arrived]


def _typed(state: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """In the order and types of the network, with counters of batch norm that were missing."""
    typed: dict[str, Tensor] = {}
    for name, tensor in own.items():
        value = state.get(name)
        typed[name] = (
            torch.zeros((), dtype=tensor.dtype) if value is None else value.to(tensor.dtype)
        )
    return typed
