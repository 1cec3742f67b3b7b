"""Starting from somebody's weights: ``init_from`` and ``weights``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from stfw.models.states import COUNTER, adapt_channels, differences, few
from stfw.runs import checkpoint_io, weights_file
from stfw.runs.find import find_checkpoint
from stfw.types import UserError


@dataclass(frozen=True)
class Weights:
    """Tensors to start from.

    Attributes:
        title: what the person typed, for messages: ``init_from=...``.
        state: keys of a network (``encoders.rgb. ...``), or of any network with such an encoder:
            ``encoder. ...``, ``head. ...``.
        classes: names of the head's classes, where they are known.
        notes: what else a person should know of them.
        about: what a weights file says of itself.
    """

    title: str
    state: dict[str, Tensor]
    classes: list[str] | None = None
    notes: tuple[str, ...] = ()
    about: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_encoder(self) -> bool:
        """Whether they are an encoder's, with or without a head."""
        return any(name.startswith("encoder.") for name in self.state)


def read_weights(where: str, key: str = "init_from") -> Weights:
    """Weights from a run folder, a checkpoint, a ``.pt`` or ``.safetensors`` file.

    Raises:
        UserError: nothing there, damaged, or no weights inside.
    """
    title, path = f"{key}={where}", Path(where).expanduser()
    about: dict[str, Any] = {}
    if path.suffix == ".safetensors":
        if not path.is_file():
            raise UserError(f"{title}: there is no such file")
        state, about = weights_file.read(path)
        classes = about.get("classes")
    else:
        content = checkpoint_io.load(find_checkpoint(where))
        whole = content.get("state_dict", content)
        state = {
            name.removeprefix("network."): value
            for name, value in whole.items()
            if isinstance(value, Tensor)
            and (name.startswith("network.") or "state_dict" not in content)
        }
        stored = content.get("stfw")
        classes = stored.get("classes") if isinstance(stored, dict) else None
    if not state:
        raise UserError(f"{title}: there are no weights of a network inside")
    return Weights(title, state, classes, about=about)


def start_from(network: nn.Module, weights: Weights, classes: Sequence[str] | None = None) -> str:
    """Copies weights into ``network``; a head of other classes stays as it is.

    A whole network's weights must fit but for the head. An encoder's weights go into every stream
    whose encoder has those very keys (a first convolution of other channels gets the mean over the
    old ones); what is not of the encoder then stays new.

    Args:
        network: with ``encoders`` and ``head``.
        weights: see there.
        classes: names of the network's classes; a head of the same names in another order is put
            in order.

    Returns:
        One sentence of what was copied and what is new.

    Raises:
        UserError: keys or shapes differ; lists them.
    """
    own, heads = network.state_dict(), _heads(network)
    given, notes = dict(weights.state), list(weights.notes)
    if weights.is_encoder:
        given, told = _spread(given, own, heads, weights.title)
        notes += told
    notes += _fit_heads(given, own, heads, weights.classes, classes)
    new_heads = tuple(head for head in heads if _shapes(given, head) != _shapes(own, head))

    def may_be_new(name: str) -> bool:
        if name.startswith("head."):  # half a head is none
            return name.startswith(new_heads)
        # of an encoder's weights: aggregators, fusions, and streams of another kind such as sound
        return weights.is_encoder and name not in given and not name.endswith(COUNTER)

    fresh = [name for name in own if may_be_new(name)]
    wrong = differences(
        {name: value for name, value in own.items() if name not in fresh},
        {name: value for name, value in given.items() if not name.startswith("head.")}
        | {name: given[name] for name in own if name in given and name not in fresh},
    )
    if wrong:
        raise UserError(
            f"{weights.title}: the weights are of another network ({wrong}); choose the model they "
            "were trained with"
        )
    taken = {name: given[name] for name in own if name in given and name not in fresh}
    network.load_state_dict({**own, **taken})
    text = f"{len(taken)} of {len(own)} tensors from {weights.title.partition('=')[2]}"
    if fresh:
        text += f"; new: {few(_rooms(fresh), 4)}"
    return "; ".join([text, *notes])


def fill(network: nn.Module, weights: Weights, classes: Sequence[str]) -> None:
    """Copies an encoder's weights and its head's, which must be all that the network has.

    Args:
        network: with ``encoders`` and ``head``.
        weights: of an encoder and its head.
        classes: names of the network's classes; the same names in another order are put in order.

    Raises:
        UserError: something is missing, left over or of another shape; lists it.
    """
    own, heads = network.state_dict(), _heads(network)
    given, _ = _spread(weights.state, own, heads, weights.title)
    _fit_heads(given, own, heads, weights.classes, classes)
    if wrong := differences(own, given):
        raise UserError(
            f"{weights.title}: an encoder and a head are not all of this network ({wrong}); train "
            f"the rest: stfw train weights={weights.title}"
        )
    network.load_state_dict({**own, **given})


def _rooms(names: Sequence[str]) -> list[str]:
    """Names, those of one encoder, aggregator or fusion as one."""
    kept = {
        name if name.startswith("head.") else ".".join(name.split(".")[:2]): None for name in names
    }
    return list(kept)


def _heads(network: nn.Module) -> list[str]:
    """Beginnings of the heads' names: one head, or, where logits are fused, one per stream."""
    head = network.head
    return [f"head.{stream}." for stream in head] if isinstance(head, nn.ModuleDict) else ["head."]


def _shapes(state: Mapping[str, Tensor], prefix: str) -> dict[str, tuple[int, ...]]:
    return {n: tuple(value.shape) for n, value in state.items() if n.startswith(prefix)}


def _fit_heads(
    given: dict[str, Tensor],
    own: Mapping[str, Tensor],
    heads: Sequence[str],
    theirs: Sequence[str] | None,
    ours: Sequence[str] | None,
) -> list[str]:
    """Takes out heads of other classes, and orders those of the same; says so."""
    notes: dict[str, None] = {}
    for head in heads:
        names = list(_shapes(given, head))
        own_names = list(_shapes(own, head))
        if not names or not own_names:
            continue
        num_theirs, num_ours = given[names[-1]].shape[0], own[own_names[-1]].shape[0]
        if num_theirs != num_ours:
            note = f"{num_theirs} classes there, {num_ours} here"
        elif theirs is None or ours is None or list(theirs) == list(ours):
            continue
        elif sorted(theirs) != sorted(ours):
            note = "the classes there have other names"
        else:
            order = [list(theirs).index(name) for name in ours]
            last_layer = names[-1].rpartition(".")[0]
            for name in names:
                if name.rpartition(".")[0] == last_layer:
                    given[name] = given[name][order]
            notes["the head's classes are put in order"] = None
            continue
        notes[note] = None
        for name in names:
            del given[name]
    return list(notes)


def _spread(
    given: Mapping[str, Tensor], own: Mapping[str, Tensor], heads: Sequence[str], title: str
) -> tuple[dict[str, Tensor], list[str]]:
    """``encoder.`` -> ``encoders.<stream>.`` for every stream that has those keys; and heads.

    Raises:
        UserError: no stream has.
    """
    spread: dict[str, Tensor] = {}
    notes, refusals = [], []
    streams = list(dict.fromkeys(n.split(".")[1] for n in own if n.startswith("encoders.")))
    for stream in streams:
        prefix = f"encoders.{stream}."
        theirs, adapted = _of(given, "encoder."), []
        ours = _of(own, prefix)
        for name, value in theirs.items():
            other = adapt_channels(value, ours[name].shape) if name in ours else None
            if other is not None:
                theirs[name] = other
                adapted.append(name)
        if wrong := differences(ours, theirs):
            refusals.append(wrong)
            continue
        if adapted:
            notes.append(f"{stream}: mean over channels in {few(adapted, 2)}")
        spread |= {prefix + name: value for name, value in theirs.items()}
    if len(refusals) == len(streams):
        raise UserError(
            f"{title}: the weights are of another network ({refusals[0]}); choose the model they "
            "were made for"
        )
    for head in heads:
        spread |= {head + name: value for name, value in _of(given, "head.").items()}
    return spread, notes


def _of(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """What begins with ``prefix``, without it."""
    return {n.removeprefix(prefix): value for n, value in state.items() if n.startswith(prefix)}
