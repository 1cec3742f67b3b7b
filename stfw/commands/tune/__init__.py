"""``stfw tune <what>``: what suits this model, these data and this machine."""

from __future__ import annotations

from collections.abc import Sequence

from stfw.commands.tools import run_tool

TOOLS = {
    "lr": "try learning rates from tiny to too large; name the one where the loss falls fastest",
    "batch": "try batches from small to too large: time, clips per second and memory of each",
    "loader": "find workers and prefetching for this machine, and say what bounds the run",
}


def main(words: Sequence[str]) -> None:
    """Runs ``stfw.commands.tune.<tool>``."""
    run_tool("tune", TOOLS, words)
