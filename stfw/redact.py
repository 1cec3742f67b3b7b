"""Secrets stay out of all that a run writes or sends: values are struck out, names stay.

A secret is a value under a name that says so (``data.password``, ``HF_TOKEN``), the value of an
environment variable of such a name, the user part of a URL and the signature in its query, and
text in one of the well-known shapes of tokens and keys.
"""

from __future__ import annotations

import functools
import itertools
import os
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

STRUCK = "***"

# words of a name that make its value a secret; "key" does after some, "token" and "auth" at the end
_WORDS = {
    *("password", "passwd", "passphrase", "passcode", "pwd", "secret", "secrets"),
    *("credential", "credentials", "apikey", "authorization", "webhook"),
}
_BEFORE_KEY = {"api", "access", "private", "secret", "account", "signing", "encryption", "auth"}
_NO_TOKENS = {"class", "cls", "mask", "pad", "sep", "unk", "bos", "eos", "patch", "num", "max"}
_ABOUT = {"file", "files", "path", "dir", "folder", "env", "name", "id", "length", "size"}

_SECRET = (
    r"[\w.\-]*(?:api_?key|(?:access|private|secret|account|signing|encryption|auth)_?key|token|"
    r"secret|passw(?:or)?d|passphrase|passcode|pwd|credential|authorization|webhook)\w*"
)
_VALUE = r"""(\$\{[^}\s]*\}|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^\s,;&\]})'"]+)"""
_HINT = re.compile(r"key|token|secret|passw|passphrase|passcode|pwd|credential|auth|webhook", re.I)
_LINE = re.compile(rf"^([\s-]*['\"]?)({_SECRET})(['\"]?:[ \t]+)(\S.*)$", re.M | re.I)
_INLINE = re.compile(rf"((?<![\w.\-]))({_SECRET})(['\"]?\s*(?:=|:(?!//))\s*){_VALUE}", re.I)
_SHAPES = (
    (re.compile(r"(://)[^/\s'\"]+@"), rf"\1{STRUCK}@"),
    (
        re.compile(
            r"([?&][^=&\s]*(?:token|sig|key|secret|password|credential|auth)[^=&\s]*=)[^&\s'\"]+",
            re.I,
        ),
        rf"\1{STRUCK}",
    ),
    (re.compile(r"\b(Bearer|Basic)(\s+)[\w.~+/=\-]{8,}"), rf"\1\2{STRUCK}"),
    (
        re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*-----|\Z)", re.S),
        STRUCK,
    ),
    (
        re.compile(
            r"\b(?:gh[pousr]_\w{20,}|github_pat_\w{20,}|glpat-[\w\-]{16,}|hf_[A-Za-z0-9]{20,}|"
            r"sk-[\w\-]{20,}|(?:AKIA|ASIA)[0-9A-Z]{16}|xox[abprs]-[\w\-]{10,}|AIza[\w\-]{35}|"
            r"wandb_v1_\w{20,}|pypi-[\w\-]{20,}|eyJ[\w\-]{8,}\.[\w\-]{8,}\.[\w\-]*)"
        ),
        STRUCK,
    ),
)
_known: set[str] = set()  # values that stood under a secret name in this process


@functools.lru_cache(maxsize=4096)
def is_secret(name: str) -> bool:
    """Whether a key, or any part of a dotted one, says that its value is a secret."""
    return any(_part_is_secret(part) for part in re.split(r"[./]", name))


def learn(tree: Any) -> None:
    """Remembers every secret of a config, so that it is struck out where it stands nameless too."""
    if isinstance(tree, Mapping):
        for name, value in tree.items():
            if is_secret(str(name)):
                _known.update(text for text in _leaves(value) if _is_telling(text))
            else:
                learn(value)
    elif isinstance(tree, list | tuple):
        for value in tree:
            learn(value)
    elif isinstance(tree, str):
        for user in re.findall(r"://([^/\s'\"]+)@", tree):
            _known.update(text for text in user.split(":", 1) if _is_telling(text))


def redact(value: Any, by_name: bool = True) -> Any:
    """Plain containers with every secret struck out; other numbers, all names and the order stay.

    Args:
        value: mapping, list, text or number.
        by_name: whether a key of the mappings may name a secret; a class of videos may not.
    """
    if isinstance(value, Mapping):
        return {
            key: _strike(item) if by_name and is_secret(str(key)) else redact(item, by_name)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [redact(item, by_name) for item in value]
    return redact_text(value) if isinstance(value, str) else value


def redact_override(text: str) -> str:
    """An override; the whole value goes where the key is secret: ``data.token=***``."""
    name, found, value = text.partition("=")
    if found and is_secret(name.lstrip("+~")):
        return f"{name}={_strike(value)}"
    return redact_text(text)


def redact_text(text: str) -> str:
    """Any text: ``name=value``, ``name: value``, URLs, tokens, and secrets that are known."""
    if _HINT.search(text):  # most texts are spared the slow ones
        text = _LINE.sub(_struck_out, text)
        text = _INLINE.sub(_struck_out, text)
    for pattern, replacement in _SHAPES:
        text = pattern.sub(replacement, text)
    literals = frozenset(_known | _of_environment())
    return _pattern(literals).sub(STRUCK, text) if literals else text


def _struck_out(match: re.Match[str]) -> str:
    before, name, between, value = match.groups()
    return f"{before}{name}{between}{_strike(value) if is_secret(name) else value}"


def _strike(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _strike(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_strike(item) for item in value]
    text = str(value).strip()
    if value is None or isinstance(value, bool) or text.lower() in ("", "null", "none", "???"):
        return value
    if re.fullmatch(r"['\"]?\$\{oc\.env:\w+\}['\"]?", text):  # where it stands, not what it is
        return value
    if re.fullmatch(r"[\d.]{1,3}", text):  # a number of something
        return value
    return STRUCK


def _part_is_secret(part: str) -> bool:
    words = [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", part)]
    if not words or words[-1] in _ABOUT:
        return False
    return (
        not _WORDS.isdisjoint(words)
        or any(
            second == "key" and first in _BEFORE_KEY for first, second in itertools.pairwise(words)
        )
        or words[-1] == "auth"
        or (words[-1] == "token" and _NO_TOKENS.isdisjoint(words))
    )


def _leaves(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        return [leaf for item in value.values() for leaf in _leaves(item)]
    if isinstance(value, list | tuple):
        return [leaf for item in value for leaf in _leaves(item)]
    return [str(value)]


@functools.lru_cache(maxsize=1024)
def _is_telling(text: str) -> bool:
    """Whether a value is so much its own that it can be struck out wherever it stands.

    A password ``cosine`` would strike out the name of a schedule.
    """
    if len(text) < 6 or os.path.exists(text):
        return False
    return len(text) >= 12 or not (text.isalpha() or text.replace(".", "").isdigit())


def _of_environment() -> set[str]:
    return {value for name, value in os.environ.items() if is_secret(name) and _is_telling(value)}


@functools.lru_cache(maxsize=8)
def _pattern(literals: frozenset[str]) -> re.Pattern[str]:
    spelled = {spelling for text in literals for spelling in (text, quote(text, safe=""))}
    longest_first = sorted(map(re.escape, spelled), key=len, reverse=True)
    return re.compile(rf"(?<!\w)(?:{'|'.join(longest_first)})(?!\w)")
