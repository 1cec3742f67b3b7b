"""Which words of the command line are the sweep's own, and which go to every trial."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from stfw.commands.sweep.space import KEYS
from stfw.config import compose_root, groups
from stfw.types import UserError, nearest

OWN = (
    "sweep",
    "name",
    "num_trials",
    "jobs",
    "objectives",
    "at_epoch",
    "run",
    "first",
    "search",
    "pruner",
    "keep",
    "command",
    "dry_run",
    "sweeps_dir",
)
GIVEN_BY_SWEEP = ("output_dir", "runs_dir", "resume")
Space = dict[str, Any]
Edit = Callable[[Space], Space]


def split_words(words: Sequence[str]) -> tuple[list[str], list[str], list[Edit]]:
    """The sweep's own overrides, the trials' overrides, and edits of the space.

    Raises:
        UserError: a word that a sweep cannot take, or a misspelt key of its own.
    """
    own: list[str] = []
    extra: list[str] = []
    edits: list[Edit] = []
    for word in words:
        key = word.split("=", 1)[0].lstrip("+~")
        top = key.split(".", 1)[0]
        if top == "space":
            edits.append(read_edit(word))
        elif top in OWN:
            own.append(word)
        elif word.startswith("-"):
            raise UserError(f"{word}: no such option; stfw sweep --help lists the keys")
        elif top in GIVEN_BY_SWEEP:
            raise UserError(
                f"{word}: a sweep gives every trial its own folder, below sweeps_dir, and goes on "
                "by itself; leave it out"
            )
        else:
            extra.append(word)
    _check_spelling(extra)
    return own, extra, edits


def read_edit(word: str) -> Edit:
    """What ``space.optimizer.lr.high=0.1``, ``space.aggregator=[mean,lstm]``, ``~space.aggregator``
    or ``space={...}`` does to a space.

    The keys of a space hold dots themselves, so that Hydra cannot do it.

    Raises:
        UserError: it does not parse.
    """
    path = word.split("=", 1)[0].lstrip("+~").removeprefix("space").removeprefix(".")
    if word.startswith("~"):
        return lambda space: _without(space, path)
    try:
        parsed = OverridesParser.create().parse_override(f"x={word.split('=', 1)[1]}")
        value = parsed.value()
        if parsed.is_choice_sweep():  # space.aggregator=mean,lstm
            value = list(parsed.sweep_iterator())
    except (HydraException, IndexError) as error:
        raise UserError(
            f"cannot read {word}: write space.<key>=[a,b] or space.<key>.high=0.1, and quote "
            "values with braces: 'space.<key>={low:1,high:9}'"
        ) from error
    if not path:
        if not isinstance(value, Mapping):
            raise UserError(f"{word}: a space is a mapping of keys to values")
        return lambda space: dict(value)

    def edit(space: Space) -> Space:
        key, _, name = path.rpartition(".")
        if path not in space and name in KEYS and (key in space or "." in key or key in groups()):
            old = space.get(key, {})
            if not isinstance(old, Mapping):
                old = {} if name in ("low", "high", "log", "step") else {"choices": old}
            return {**space, key: {**old, name: value}}
        return {**space, path: value}

    return edit


def _without(space: Space, path: str) -> Space:
    if path not in space:
        raise UserError(
            f"~space.{path}: no such parameter{nearest(path, space)} "
            f"(there are: {', '.join(space) or 'none'})"
        )
    return {key: value for key, value in space.items() if key != path}


def _check_spelling(extra: Sequence[str]) -> None:
    """What is no key of a trial may be a misspelt one of the sweep."""
    if not extra:
        return
    known = {*groups(), *map(str, compose_root("train", []).cfg)}
    for word in extra:
        key = word.split("=", 1)[0]
        hint = nearest(key.split(".", 1)[0], (*OWN, "space"))
        if key.split(".", 1)[0] not in known and hint and not word.startswith(("+", "~")):
            raise UserError(f"{key}: no such key, of a sweep or a trial{hint}")
