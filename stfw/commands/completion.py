"""``stfw completion bash|zsh``: the shell's own completion for commands, groups and options."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from stfw.cli import COMMANDS
from stfw.types import UserError

SCRIPTS = {
    "bash": """_stfw() {
    local words
    mapfile -t words < <(stfw completion candidates "${COMP_LINE:0:COMP_POINT}" 2>/dev/null)
    COMPREPLY=("${words[@]}")
    [[ ${#words[@]} -eq 1 && ${words[0]} == *= ]] && compopt -o nospace
    [[ ${#words[@]} -eq 0 ]] && compopt -o default
    return 0
}
COMP_WORDBREAKS=${COMP_WORDBREAKS//=/}
complete -F _stfw stfw
""",
    "zsh": """#compdef stfw
_stfw() {
    local -a words
    words=("${(@f)$(stfw completion candidates "${BUFFER[1,CURSOR]}" 2>/dev/null)}")
    [[ -n $words ]] && compadd -Q -S '' -- $words || _files
}
compdef _stfw stfw
""",
}


def main(words: Sequence[str]) -> None:
    if len(words) == 2 and words[0] == "candidates":
        print("\n".join(candidates(words[1])))
        return
    if len(words) != 1 or words[0] not in SCRIPTS:
        raise UserError('name the shell, bash or zsh; for example: eval "$(stfw completion bash)"')
    print(SCRIPTS[words[0]], end="")


def candidates(line: str) -> list[str]:
    """What may stand at the end of a command line."""
    typed = line.split()
    last = "" if line.endswith(" ") or not typed else typed[-1]
    before = typed if line.endswith(" ") else typed[:-1]
    if len(before) <= 1:
        return [name for name in COMMANDS if name.startswith(last)]
    command = before[1]
    if command == "completion":
        return [name for name in SCRIPTS if name.startswith(last)]
    if command not in ("train", "config", "test", "profile"):
        return []
    from stfw.config import groups

    found = groups()
    key, equals, value = last.partition("=")
    if not equals:
        names = [f"{group}=" for group in found] if command != "test" else ["run=", "views="]
        return [name for name in names if name.startswith(last)]
    if key in found:
        return [f"{key}={option}" for option in found[key] if option.startswith(value)]
    return [f"{key}={path}" for path in _paths(value)]


def _paths(start: str) -> list[str]:
    folder = Path(os.path.dirname(start) or ".")
    if not folder.is_dir():
        return []
    prefix = os.path.dirname(start)
    names = (
        os.path.join(prefix, path.name) + ("/" if path.is_dir() else "")
        for path in folder.iterdir()
    )
    return sorted(name for name in names if name.startswith(start))
