"""``stfw tune <what>``: what suits this model, these data and this machine."""

from __future__ import annotations

import importlib
from collections.abc import Sequence

from stfw.types import UserError, nearest

TOOLS = {
    "lr": "try learning rates from tiny to too large; name the one where the loss falls fastest",
    "batch": "try batches from small to too large: time, clips per second and memory of each",
    "loader": "find workers and prefetching for this machine, and say what bounds the run",
}


def main(words: Sequence[str]) -> None:
    """Runs ``stfw.commands.tune.<tool>``."""
    if not words or words[0] in ("-h", "--help"):
        width = max(map(len, TOOLS))
        print("usage: stfw tune <what> [overrides of stfw train]\n")
        print("\n".join(f"  {name:<{width}}  {text}" for name, text in TOOLS.items()))
        print("\nstfw tune <what> --help tells more")
        return
    tool, rest = words[0], words[1:]
    if tool not in TOOLS:
        hint = nearest(tool, TOOLS) or f"; there are: {', '.join(TOOLS)}"
        raise UserError(f"tune {tool}: no such tool{hint}")
    name = f"stfw.commands.tune.{tool}"
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise UserError(f"tune {tool}: this installation does not have it") from error
    module.main(rest)
