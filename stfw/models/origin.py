"""What the names of somebody's weights do not say: settings without parameters, and pixels."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from stfw.types import UserError

State = Mapping[str, Tensor]
Rules = Callable[[State], dict[str, Tensor]]


@dataclass(frozen=True)
class Pixels:
    """How an input is normalised, of values in 0..1.

    Attributes:
        mean: per colour.
        std: per colour.
        motion_std: of flow and difference around 0.5; None: not known.
    """

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    motion_std: float | None = None


IMAGENET = Pixels((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
KINETICS = Pixels((0.43216, 0.394666, 0.37645), (0.22803, 0.22145, 0.216989))
GRAY = Pixels((0.45, 0.45, 0.45), (0.225, 0.225, 0.225))
HALVES = Pixels((0.5, 0.5, 0.5), (0.5, 0.5, 0.5), 0.5)  # values in -1..1
MMACTION = Pixels(IMAGENET.mean, IMAGENET.std, 0.5)


@dataclass(frozen=True)
class Network:
    """A published network that weights may be of.

    Attributes:
        name: for messages.
        pixels: that it was trained on; None: not known.
        settings: of its encoder that no tensor shows.
        note: what else a person should know of it.
    """

    name: str
    pixels: Pixels | None
    settings: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class Source:
    """Somebody's naming: a function that renames, and the networks that use those names.

    Attributes:
        rules: foreign state -> ours.
        networks: foreign state -> what it may be of. Several: the names are the same.
    """

    rules: Rules
    networks: Callable[[State], Sequence[Network]]

    def __call__(self, state: State) -> dict[str, Tensor]:
        return self.rules(state)


def of(networks: Network | Callable[[State], Sequence[Network]]) -> Callable[[Rules], Source]:
    """Says beside a converter whose networks it converts: one, or such as a state tells."""
    told = (lambda _: (networks,)) if isinstance(networks, Network) else networks
    return lambda rules: Source(rules, told)


def choose(
    networks: Sequence[Network], own: Mapping[str, Any], room: str, named: Collection[str] = ()
) -> Network:
    """The network whose settings the encoder has; of several, the first.

    Args:
        networks: what the weights may be of, at least one.
        own: the encoder's settings.
        room: where they stand in a config, for the message: ``encoder``.
        named: settings that the person gave; where no network has them, their word counts.

    Raises:
        UserError: none is; names the overrides that are missing.
    """
    wrong = [unlike(network.settings, own) for network in networks]
    left = [{key: x for key, x in settings.items() if key not in named} for settings in wrong]
    for differing in (wrong, left):
        for network, settings in zip(networks, differing, strict=True):
            if not settings:
                return network
    ways = [
        f"{overrides(room, settings)} ({network.name})"
        for network, settings in zip(networks, left, strict=True)
    ]
    raise UserError(
        "the tensors fit, but the encoder differs in settings that no tensor shows; "
        f"add after --: {' or '.join(ways)}"
    )


def unlike(settings: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Those settings that an encoder of ``own`` has otherwise."""
    return {key: x for key, x in settings.items() if plain(own.get(key)) != plain(x)}


def overrides(room: str, settings: Mapping[str, Any]) -> str:
    """Settings as they are typed in a shell."""
    return shlex.join(f"{room}.{key}={shown(value)}" for key, value in settings.items())


def shown(value: Any) -> str:
    """A setting's value as an override has it."""
    if isinstance(value, (list, tuple)):
        return f"[{','.join(map(shown, value))}]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value)


def plain(value: Any) -> Any:
    """Tuples as lists, so that a config's values compare."""
    return [plain(item) for item in value] if isinstance(value, (list, tuple)) else value
