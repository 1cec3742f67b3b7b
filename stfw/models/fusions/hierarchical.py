"""Fusion in two stages: some streams first, their result with the others after."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from stfw.models.fusions.presence import any_present
from stfw.types import UserError, nearest


class Hierarchical(nn.Module):
    """``second({joined: first(streams), others...})``, for example pictures first, then sound.

    The first result is missing where all of its streams are. A first fusion may itself be of two
    stages.

    Args:
        in_features: stream name to its D.
        first: ``in_features -> fusion`` of the streams named.
        second: ``in_features -> fusion`` of ``joined`` and the other streams.
        streams: what the first fusion joins; None: all but the last one.

    Raises:
        UserError: the run has no such stream, or a part joins anything but features.
    """

    level = "feature"

    def __init__(
        self,
        in_features: dict[str, int],
        first: Callable[[dict[str, int]], nn.Module],
        second: Callable[[dict[str, int]], nn.Module],
        streams: Sequence[str] | None = None,
    ) -> None:
        super().__init__()
        names = list(in_features)
        self.streams = list(streams) if streams else names[:-1] or names
        for name in self.streams:
            if name not in in_features:
                raise UserError(
                    f"fusion.streams: the run has no stream '{name}'{nearest(name, names)} "
                    f"(there are: {', '.join(names)})"
                )
        self.others = [name for name in names if name not in self.streams]
        self.first = first({name: in_features[name] for name in self.streams})
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


def _width(fusion: Any, which: str) -> int:
    level = getattr(fusion, "level", "feature")
    if level != "feature":
        raise UserError(
            f"fusion.{which}: {type(fusion).__name__} joins {level}; choose one that joins "
            "features, for example stfw.models.fusions.gated.Gated"
        )
    return fusion.num_features
