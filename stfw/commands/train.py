"""``stfw train``: composes first, so that a wrong key costs a second, then runs."""

from __future__ import annotations

from collections.abc import Sequence

from stfw.config import compose


def main(overrides: Sequence[str]) -> None:
    composed = compose("train", overrides)
    from stfw.commands.ranks import is_rank_zero  # torch and Lightning from here on
    from stfw.commands.run import train

    result = train(composed)
    if is_rank_zero():
        print(result)
