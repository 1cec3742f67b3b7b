"""``stfw data <tool>``: what people do with data before, beside and after training."""

from __future__ import annotations

import importlib
from collections.abc import Sequence

from stfw.types import UserError, nearest

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
    if not words or words[0] in ("-h", "--help"):
        width = max(map(len, TOOLS))
        print("usage: stfw data <tool> [arguments]\n")
        print("\n".join(f"  {name:<{width}}  {text}" for name, text in TOOLS.items()))
        print("\nstfw data <tool> --help tells more")
        return
    tool, rest = words[0], words[1:]
    if tool not in TOOLS:
        hint = nearest(tool, TOOLS) or f"; there are: {', '.join(TOOLS)}"
        raise UserError(f"data {tool}: no such tool{hint}")
    importlib.import_module(f"stfw.commands.data.{tool}").main(rest)
