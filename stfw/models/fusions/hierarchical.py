"""Fusion in stages: some streams first, their result with the others after, to any depth."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from stfw.models.fusions.presence import any_present
from stfw.types import UserError, nearest

Make = Callable[[dict[str, int]], nn.Module]


class Hierarchical(nn.Module):
    """``second({joined: first(streams), others...})``, for example pictures first, then sound.

    A list within ``streams`` is joined by ``first`` before its neighbours are, so
    ``[[a, b], c]`` beside another stream d is ``second(first(first(a, b), c), d)``. What is joined
    is missing where all of its streams are.

    Args:
        in_features: stream name to its D.
        first: ``in_features -> fusion``; made once for every list.
        second: ``in_features -> fusion`` of ``joined`` and the other streams.
        streams: what is joined first: names and lists of them; None: all but the last one.

    Raises:
        UserError: no fusion is chosen; ``streams`` holds no names, or one that the run has not, or
            one twice; a part joins anything but features.
    """

    level = "feature"

    def __init__(
        self,
        in_features: dict[str, int],
        first: Make,
        second: Make,
        streams: Sequence[Any] | None = None,
    ) -> None:
        super().__init__()
        for which, part in (("first", first), ("second", second)):
            if not callable(part):
                raise UserError(
                    f"fusion.{which}: no fusion is chosen; fusion@fusion.{which}=concat"
                )
        names = list(in_features)
        tree = list(streams) if streams is not None else names[:-1] or names
        self.streams = list(_leaves(tree))
        if not all(_lists(tree)):
            raise UserError("fusion.streams: a list in it is empty; name the streams that it joins")
        for name in self.streams:
            if not isinstance(name, str):
                raise UserError(
                    f"fusion.streams: {name!r} is neither a stream's name nor a list of such"
                )
            if name not in in_features:
                raise UserError(
                    f"fusion.streams: the run has no stream '{name}'{nearest(name, names)} "
                    f"(there are: {', '.join(names)})"
                )
            if self.streams.count(name) > 1:
                raise UserError(f"fusion.streams: '{name}' stands there twice")
        self.others = [name for name in names if name not in self.streams]
        self.first = _join(tree, in_features, first)
        widths = {name: in_features[name] for name in self.others}
        self.second = second({"joined": _width(self.first, "first"), **widths})
        self.num_features = _width(self.second, "second")

    def forward(self, by_stream: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        joined_BD = self.first({name: by_stream[name] for name in self.streams}, present)
        rest = {name: by_stream[name] for name in self.others}
        known = {name: flag_B for name, flag_B in present.items() if name in rest}
        return self.second(
            {"joined": joined_BD, **rest}, {**known, **any_present(self.streams, present)}
        )


class _Stage(nn.Module):
    """A list with lists in it: those are joined each, then what stands in the list is."""

    level = "feature"

    def __init__(self, tree: Sequence[Any], in_features: dict[str, int], make: Make) -> None:
        super().__init__()
        lists = {"+".join(_leaves(part)): part for part in tree if _deep(part)}
        self.lists = {key: list(_leaves(part)) for key, part in lists.items()}
        self.inner = nn.ModuleDict(
            {key: _join(part, in_features, make) for key, part in lists.items()}
        )
        widths = {name: _width(fusion, "first") for name, fusion in self.inner.items()}
        self.names = [part for part in tree if not _deep(part)]
        self.outer = make({**widths, **{name: in_features[name] for name in self.names}})
        self.num_features = _width(self.outer, "first")

    def forward(self, by_stream: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        joined = {name: by_stream[name] for name in self.names}
        known = {name: present[name] for name in self.names if name in present}
        for key, names in self.lists.items():
            joined[key] = self.inner[key]({name: by_stream[name] for name in names}, present)
            known |= any_present(names, present, key)
        return self.outer(joined, known)


def _deep(part: Any) -> bool:
    return isinstance(part, list | tuple)


def _leaves(tree: Sequence[Any]) -> Iterator[str]:
    for part in tree:
        yield from _leaves(part) if _deep(part) else [part]


def _lists(tree: Sequence[Any]) -> Iterator[Sequence[Any]]:
    yield tree
    for part in tree:
        yield from _lists(part) if _deep(part) else []


def _join(tree: Sequence[Any], in_features: dict[str, int], make: Make) -> nn.Module:
    if any(_deep(part) for part in tree):
        return _Stage(tree, in_features, make)
    return make({name: in_features[name] for name in tree})


def _width(fusion: Any, which: str) -> int:
    level = getattr(fusion, "level", "feature")
    if level != "feature":
        raise UserError(
            f"fusion.{which}: {type(fusion).__name__} joins {level}; choose one that joins "
            "features, for example stfw.models.fusions.gated.Gated"
        )
    return fusion.num_features
