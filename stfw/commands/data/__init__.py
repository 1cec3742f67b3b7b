"""``stfw data <tool>``: what people do with data before, beside and after training."""

from __future__ import annotations

from collections.abc import Sequence

from stfw.commands.tools import run_tool

TOOLS = {
    "scan": "look into every video: counts, durations, sizes, codecs, broken and repeated ones",
    "prepare": "transcode to small videos that decode fast",
    "split": "cut a folder or table into train, val and test; groups stay whole",
    "browse": "a page of what the model will see",
    "flow": "extract optical flow ahead of training",
    "pack": "write tar shards with an index",
    "verify": "check shards, prepared videos and flow against their checksums",
}


def main(words: Sequence[str]) -> None:
    """Runs ``stfw.commands.data.<tool>``."""
    run_tool("data", TOOLS, words)
