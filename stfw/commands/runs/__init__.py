"""``stfw runs <tool>``: finished and unfinished runs, read from their folders. torch stays away."""

from __future__ import annotations

import importlib
from collections.abc import Sequence

from stfw.types import UserError, nearest

TOOLS = {
    "list": "runs that pass a filter, as a table, JSON or CSV",
    "best": "the run with the best score",
    "diff": "what differs between two runs: config, environment, data, scores",
    "compare": "differences and curves of two or more runs on one page",
    "explain": "a key of the config: meaning, type, default, and who set it",
    "tag": "give a run words to find it by, or take them away",
    "clean": "say what failed, empty and old runs take up, and delete it with --yes",
}


def main(words: Sequence[str]) -> None:
    """Runs ``stfw.commands.runs.<tool>``."""
    if not words or words[0] in ("-h", "--help"):
        width = max(map(len, TOOLS))
        print("usage: stfw runs <tool> [arguments]\n")
        print("\n".join(f"  {name:<{width}}  {text}" for name, text in TOOLS.items()))
        print("\nstfw runs <tool> --help tells more")
        return
    tool, rest = words[0], words[1:]
    if tool not in TOOLS:
        hint = nearest(tool, TOOLS) or f"; there are: {', '.join(TOOLS)}"
        raise UserError(f"runs {tool}: no such tool{hint}")
    importlib.import_module(f"stfw.commands.runs.{tool}").main(rest)
