"""Commands that are several tools: ``stfw data scan``, ``stfw runs list``, ``stfw tune lr``."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence

from stfw.types import UserError, nearest


def run_tool(command: str, tools: Mapping[str, str], words: Sequence[str]) -> None:
    """Runs ``stfw.commands.<command>.<tool>.main`` with the words after the tool's name.

    Args:
        command: such as ``data``.
        tools: name -> what it does, for the help.
        words: the tool's name and its arguments; none, or ``--help``, prints the list.

    Raises:
        UserError: there is no such tool.
    """
    if not words or words[0] in ("-h", "--help"):
        width = max(map(len, tools))
        print(f"usage: stfw {command} <tool> [arguments]\n")
        print("\n".join(f"  {name:<{width}}  {text}" for name, text in tools.items()))
        print(f"\nstfw {command} <tool> --help tells more")
        return
    tool, rest = words[0], words[1:]
    if tool not in tools:
        hint = nearest(tool, tools) or f"; there are: {', '.join(tools)}"
        raise UserError(f"{command} {tool}: no such tool{hint}")
    importlib.import_module(f"stfw.commands.{command}.{tool}").main(rest)
