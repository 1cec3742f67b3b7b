"""The filter language of ``stfw runs``: ``model=i3d,c3d and not (val/top1<0.8 or tag=bad)``.

    expression  one or more comparisons joined by ``and``, ``or``, ``not`` and parentheses
    comparison  <key><op><value>[,<value>...]    op: = != < <= > >= ~
    value       a word, a number, null, true, false, or anything in quotes

``=`` of several values is any of them, ``*`` and ``?`` in a word stand for any letters, ``~`` is
"contains". A list (``tags``) equals what it holds, a mapping (``logger``) any of its names. A run
that lacks the key has null there. Nothing is evaluated as code.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from stfw.runs.config_text import MISSING
from stfw.types import UserError

Lookup = Callable[[str], Any]
_TOKEN = re.compile(
    r"""\s*(?:(?P<mark>!=|<=|>=|==|[=<>~(),])|"(?P<double>[^"]*)"|'(?P<single>[^']*)'"""
    r"""|(?P<word>[^\s=<>!~(),"']+))"""
)
_DAYS = {"m": 1 / 1440, "h": 1 / 24, "d": 1.0, "w": 7.0}
ALIASES = {"tag": "tags"}


@dataclass(frozen=True)
class Query:
    """A filter that was read.

    Attributes:
        test: says of a run, by its lookup, whether it passes.
        keys: that it asks for, in order.
    """

    test: Callable[[Lookup], bool]
    keys: tuple[str, ...]


@dataclass(frozen=True)
class _Token:
    text: str
    is_mark: bool = False
    is_quoted: bool = False


def parse_query(text: str) -> Query:
    """Reads a filter.

    Raises:
        UserError: it cannot be read; says where.
    """
    return _Parser(text).parse()


class _Parser:
    def __init__(self, text: str) -> None:
        self.text, self.keys = text, list[str]()
        self.tokens, self.place = _tokens(text), 0

    def parse(self) -> Query:
        if not self.tokens:
            return Query(lambda value: True, ())
        test = self._either()
        if self.place < len(self.tokens):
            raise self._wrong(
                f"'{self.tokens[self.place].text}' stands where only 'and' or 'or' may"
            )
        return Query(test, tuple(dict.fromkeys(self.keys)))

    def _either(self) -> Callable[[Lookup], bool]:
        tests = [self._all()]
        while self._take_word("or"):
            tests.append(self._all())
        return tests[0] if len(tests) == 1 else lambda value: any(test(value) for test in tests)

    def _all(self) -> Callable[[Lookup], bool]:
        tests = [self._one()]
        while self._take_word("and"):
            tests.append(self._one())
        return tests[0] if len(tests) == 1 else lambda value: all(test(value) for test in tests)

    def _one(self) -> Callable[[Lookup], bool]:
        if self._take_word("not"):
            inner = self._one()
            return lambda value: not inner(value)
        if self._take_mark("("):
            inner = self._either()
            if not self._take_mark(")"):
                raise self._wrong("a ')' is missing")
            return inner
        return self._comparison()

    def _comparison(self) -> Callable[[Lookup], bool]:
        key = self._word("a key")
        key = ALIASES.get(key, key)
        if self.place == len(self.tokens) or not self.tokens[self.place].is_mark:
            raise self._wrong(f"after '{key}' one of = != < <= > >= ~ is missing")
        op = self.tokens[self.place].text.replace("==", "=")
        if op in "(),":
            raise self._wrong(f"'{key}{op}': one of = != < <= > >= ~ is missing")
        self.place += 1
        wanted = [self._value(key, op)]
        while self._take_mark(","):
            wanted.append(self._value(key, op))
        if op not in ("=", "!=") and len(wanted) > 1:
            raise self._wrong(f"'{key}{op}' takes one value")
        self.keys.append(key)
        compare = _COMPARE[op]
        return lambda value: compare(key, value(key), wanted)

    def _value(self, key: str, op: str) -> _Token:
        token = self.tokens[self.place] if self.place < len(self.tokens) else None
        if token is None or token.is_mark:
            raise self._wrong(f"after '{key}{op}' a value is missing")
        self.place += 1
        return token

    def _word(self, what: str) -> str:
        token = self.tokens[self.place] if self.place < len(self.tokens) else None
        if token is None or token.is_mark:
            where = "at the end" if token is None else f"before '{token.text}'"
            raise self._wrong(f"{what} is missing {where}")
        self.place += 1
        return token.text

    def _take_word(self, word: str) -> bool:
        return self._take(lambda t: not t.is_mark and not t.is_quoted and t.text.lower() == word)

    def _take_mark(self, mark: str) -> bool:
        return self._take(lambda token: token.is_mark and token.text == mark)

    def _take(self, fits: Callable[[_Token], bool]) -> bool:
        if self.place < len(self.tokens) and fits(self.tokens[self.place]):
            self.place += 1
            return True
        return False

    def _wrong(self, what: str) -> UserError:
        return UserError(f'the filter "{self.text}" cannot be read: {what}')


def _tokens(text: str) -> list[_Token]:
    tokens, place = [], 0
    text = text.rstrip()
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            raise UserError(
                f"the filter \"{text}\" cannot be read from '{text[place:].strip()}' on"
            )
        place = match.end()
        if match["mark"]:
            tokens.append(_Token(match["mark"], is_mark=True))
        elif match["word"]:
            tokens.append(_Token(match["word"]))
        else:
            quoted = match["double"] if match["double"] is not None else match["single"]
            tokens.append(_Token(quoted, is_quoted=True))
    return tokens


def _equals(key: str, value: Any, wanted: Sequence[_Token]) -> bool:
    return any(_is(key, value, token) for token in wanted)


def _is(key: str, value: Any, token: _Token) -> bool:
    if isinstance(value, dict) and value:
        return any(_is(key, name, token) for name in value)
    if isinstance(value, list | tuple):
        return any(_is(key, item, token) for item in value)
    word = token.text
    if value is None or value is MISSING:
        return not token.is_quoted and word.lower() in ("null", "none")
    if isinstance(value, bool):
        return word.lower() == str(value).lower()
    if isinstance(value, int | float):
        number = _number(key, word)
        return number is not None and value == number
    if key == "date":
        return str(value).startswith(word.replace("T", " "))
    if not token.is_quoted and re.search(r"[*?]", word):
        return fnmatch.fnmatchcase(str(value), word)
    return str(value) == word


def _ordered(op: Callable[[Any, Any], bool]) -> Callable[[str, Any, Sequence[_Token]], bool]:
    def compare(key: str, value: Any, wanted: Sequence[_Token]) -> bool:
        word = wanted[0].text
        if isinstance(value, int | float) and not isinstance(value, bool):
            number = _number(key, word)
            if number is None:
                raise UserError(f"{key} is a number ({value:g}), and '{word}' is none")
            return op(value, number)
        if isinstance(value, str) and key == "date":
            said = word.replace("T", " ")
            return op(value[: len(said)], said)
        if isinstance(value, str):
            raise UserError(f"{key} is a word ({value}); < and > are for numbers and dates")
        return False

    return compare


def _contains(key: str, value: Any, wanted: Sequence[_Token]) -> bool:
    word = wanted[0].text.lower()
    if isinstance(value, dict | list | tuple):
        return any(word in str(item).lower() for item in value)
    return value is not None and value is not MISSING and word in str(value).lower()


def _number(key: str, word: str) -> float | None:
    if key == "age" and (match := re.fullmatch(r"([\d.]+)([mhdw])", word)):
        return float(match[1]) * _DAYS[match[2]]
    try:
        return float(word)
    except ValueError:
        return None


_COMPARE: dict[str, Callable[[str, Any, Sequence[_Token]], bool]] = {
    "=": _equals,
    "!=": lambda key, value, wanted: not _equals(key, value, wanted),
    "<": _ordered(lambda a, b: a < b),
    "<=": _ordered(lambda a, b: a <= b),
    ">": _ordered(lambda a, b: a > b),
    ">=": _ordered(lambda a, b: a >= b),
    "~": _contains,
}
