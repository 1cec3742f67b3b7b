"""``stfw runs tag``: words to find a run by, kept in its ``run.json``."""

from __future__ import annotations

import re
from collections.abc import Sequence

from stfw.runs.directory import RunDir
from stfw.runs.entry import find_entry
from stfw.types import UserError

USAGE = """usage: stfw runs tag <run> [word ...] [-word ...] [runs_dir=runs]

gives a run words, takes away those with - before them, and says which it has
find them again: stfw runs list tag=good
"""


def main(words: Sequence[str]) -> None:
    if not words or {"-h", "--help"} & set(words):
        print(USAGE, end="")
        return
    runs_dir = "runs"
    rest = []
    for word in words:
        if word.startswith("runs_dir="):
            runs_dir = word.partition("=")[2]
        else:
            rest.append(word)
    if not rest or rest[0].startswith("-"):
        raise UserError("name a run first: stfw runs tag <run> [word ...] [-word ...]")
    entry = find_entry(rest[0], runs_dir)
    tags = set(entry.tags)
    for word in rest[1:]:
        tag = word.removeprefix("-")
        if not re.fullmatch(r"[\w.][\w.:-]*", tag):
            raise UserError(f"{word}: a tag is one word of letters, digits and . _ : -")
        if not word.startswith("-"):
            tags.add(tag)
        elif tag in tags:
            tags.remove(tag)
        else:
            raise UserError(
                f"{word}: the run has no such tag (it has: {', '.join(sorted(tags)) or 'none'})"
            )
    if tags != set(entry.tags):
        RunDir(entry.path).update(tags=sorted(tags))
    print(f"tags {', '.join(sorted(tags)) or '-'}  {entry.value('run')}")
