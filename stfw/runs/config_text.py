"""One key's value out of the text of a ``config.yaml``, without reading the whole of it.

A run's config has hundreds of lines, and YAML is slow; a search over thousands of runs wants one
value of each. What OmegaConf writes is regular: two spaces a level, lists flush with their key.
"""

from __future__ import annotations

import functools
import re
from typing import Any

MISSING: Any = type("Missing", (), {"__repr__": lambda self: "MISSING"})()
_WHOLE = re.compile(r"-?(?:0|[1-9]\d*)")  # YAML is slow, and most values are as plain as that
_WORD = re.compile(r"[A-Za-z][\w./]*")
_NO_WORDS = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"}


def value_at(text: str, key: str) -> Any:
    """The value of a dotted key; list items by number, as in ``optimizer.betas.0``.

    Args:
        text: as ``OmegaConf.to_yaml`` writes it.
        key: such as ``optimizer.lr``.

    Returns:
        Plain data, or ``MISSING``.
    """
    place, end, indent = 0, len(text), ""
    for name in key.split("."):
        lines = (f"{indent}{spelled}:" for spelled in (name, f"'{name}'"))
        place = max(_find(text, line, place, end) for line in lines)
        if place < 0:
            break
        past = _past(indent).search(text, place)
        end = min(end, past.start() if past else len(text))
        indent += "  "
    else:
        return _load(text[place:end])
    parent, _, last = key.rpartition(".")
    if parent and last.isdigit():
        items = value_at(text, parent)
        if isinstance(items, list) and int(last) < len(items):
            return items[int(last)]
    return MISSING


def flat(text: str) -> dict[str, Any]:
    """Every key of a config and its value; lists are values."""
    return flatten(_read(text))


def flatten(tree: Any, prefix: str = "") -> dict[str, Any]:
    """``{"a": {"b": 1}}`` -> ``{"a.b": 1}``; an empty mapping is a value."""
    if not isinstance(tree, dict) or not tree:
        return {prefix: tree} if prefix else {}
    found: dict[str, Any] = {}
    for name, value in tree.items():
        found |= flatten(value, f"{prefix}.{name}" if prefix else str(name))
    return found


def _find(text: str, line: str, place: int, end: int) -> int:
    """Where a line begins that begins so, or -1."""
    if text.startswith(line, place):
        return place
    found = text.find(f"\n{line}", place, end)
    return found + 1 if found >= 0 else -1


@functools.lru_cache(maxsize=16)
def _past(indent: str) -> re.Pattern[str]:
    """The end of what belongs to a key: a line no deeper, and no list item."""
    return re.compile(rf"\n(?!{indent}(?:  |- |-\n))")


@functools.lru_cache(maxsize=4096)
def _load(block: str) -> Any:
    """The value of ``key: value``, over several lines too."""
    _, _, text = block.partition(":")
    text = text.strip()
    if _WHOLE.fullmatch(text):
        return int(text)
    if _WORD.fullmatch(text) and text.lower() not in _NO_WORDS:
        return text
    indent = len(block) - len(block.lstrip(" "))
    dedented = "\n".join(line[indent:] for line in block.splitlines())
    (value,) = _read(dedented).values()
    return value


def _read(text: str) -> Any:
    import yaml

    return yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
