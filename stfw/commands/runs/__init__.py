"""``stfw runs <tool>``: finished and unfinished runs, read from their folders. torch stays away."""

from __future__ import annotations

from collections.abc import Sequence

from stfw.commands.tools import run_tool

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
    run_tool("runs", TOOLS, words)
