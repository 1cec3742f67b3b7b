"""Words of ``stfw runs`` -> runs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stfw.runs.config_text import MISSING
from stfw.runs.entry import Entry, entries
from stfw.runs.query import Query, parse_query
from stfw.types import UserError, nearest

NUM_ASKED = 20  # newest runs whose keys are looked through for a key that no run has
FILTER_HELP = """filter: key=value, and, or, not, parentheses; also != < <= > >= ~ (contains)
  keys: a group (model, data, optimizer, ...), any key of the config (optimizer.lr), a score
  (val/top1, test/top1), run, id, name, status, date, age, hours, tags, group, and run.json's own
  (git.commit, versions.torch, num_parameters, clips_per_sec)
  values: several by commas (model=c3d,i3d), * for any letters, null, age<7d, date>=2026-01-31
"""


@dataclass(frozen=True)
class Given:
    """The words of a command, sorted.

    Attributes:
        words: filters or names of runs.
        options: ``key=value`` of the command's own keys, with its defaults.
        flags: those given, ``--json``.
    """

    words: list[str]
    options: dict[str, str]
    flags: set[str]


def read_words(
    words: Sequence[str], options: Mapping[str, str], flags: Sequence[str] = ()
) -> Given:
    """Sorts words into the command's own ``key=value``, its flags, and the rest.

    Raises:
        UserError: an unknown flag.
    """
    given = Given([], dict(options), set())
    for word in words:
        match = re.match(r"(\w+)=(?!=)", word)
        if match and match[1] in options:
            given.options[match[1]] = word[match.end() :]
        elif word.startswith("--"):
            if word not in flags:
                hint = nearest(word, flags) or (f"; there are: {', '.join(flags)}" if flags else "")
                raise UserError(f"{word}: no such flag{hint}")
            given.flags.add(word)
        else:
            given.words.append(word)
    return given


def whole_number(given: Given, key: str) -> int | None:
    """An option that is a number of at least 1, or None where it was not given.

    Raises:
        UserError: something else.
    """
    text = given.options[key]
    if not text:
        return None
    if not text.isdigit() or int(text) < 1:
        raise UserError(f"{key}={text} must be a whole number of at least 1")
    return int(text)


def select(filters: Sequence[str], runs_dir: str) -> tuple[list[Entry], list[Entry], list[str]]:
    """The runs that pass every filter, all runs, and the keys that the filters ask for.

    Raises:
        UserError: no folder or no runs, a filter that cannot be read, or an unknown key.
    """
    queries = [parse_query(text) for text in filters]
    every = list(entries(runs_dir))
    if not every:
        raise UserError(f"runs_dir={runs_dir}: there are no runs below this folder")
    keys = list(dict.fromkeys(key for query in queries for key in query.keys))
    check_keys(keys, every)
    return [entry for entry in every if _passes(entry, queries)], every, keys


def check_keys(keys: Sequence[str], every: Sequence[Entry]) -> None:
    """Refuses keys that no run has.

    Raises:
        UserError: names the key, and the nearest that there is.
    """
    for key in keys:
        if all(entry.value(key) is MISSING for entry in every):
            newest = sorted(every, key=lambda entry: str(entry.date))[-NUM_ASKED:]
            known = {name for entry in newest for name in entry.known_keys()}
            raise UserError(
                f"{key}: none of the {len(every)} runs has this key{nearest(key, known)}"
            )


def in_order(chosen: Sequence[Entry], key: str) -> list[Entry]:
    """Sorted by a key, downwards with ``-`` before it; runs that lack it stand at the end."""
    down, name = key.startswith("-"), key.lstrip("-")
    there = [(entry.value(name), entry) for entry in chosen]
    known = [pair for pair in there if pair[0] is not MISSING and pair[0] is not None]
    known.sort(key=lambda pair: (_rank(pair[0]), str(pair[1].date)), reverse=down)
    lacking = [e for value, e in there if value is MISSING or value is None]
    return [entry for _, entry in known] + lacking


def _passes(entry: Entry, queries: Sequence[Query]) -> bool:
    return all(query.test(entry.value) for query in queries)


def _rank(value: Any) -> tuple[int, Any]:
    if isinstance(value, bool | int | float):
        return 0, float(value)
    return 1, str(value)
