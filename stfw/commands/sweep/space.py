"""What a sweep searches: overrides and their values."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from stfw.types import UserError, nearest

if TYPE_CHECKING:
    from optuna import Trial

Value = str | int | float | bool | None
RANGE_KEYS = ("low", "high", "log", "step", "when")
LIST_KEYS = ("choices", "when")
KEYS = tuple(dict.fromkeys((*RANGE_KEYS, *LIST_KEYS)))


@dataclass(frozen=True)
class Parameter:
    """One override and the values it may take: a list, or a range.

    Attributes:
        key: of the override: ``optimizer.lr``, or a group.
        choices: the values; empty: a range.
        low: smallest value of the range.
        high: largest value of the range.
        log: whether orders of magnitude are equally likely.
        step: distance between values; None: every value.
        when: other parameters' keys and the values under which this one is used.
    """

    key: str
    choices: tuple[Value, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    step: float | None = None
    when: Mapping[str, tuple[Value, ...]] = field(default_factory=dict)

    @property
    def is_whole(self) -> bool:
        """Whether the range is one of whole numbers."""
        return all(isinstance(v, int) for v in (self.low, self.high, self.step or 1))

    def suggest(self, trial: Trial) -> Value:
        """Draws a value, or gives the one that the trial has already."""
        if self.choices:
            return trial.suggest_categorical(self.key, self.choices)
        if self.is_whole:
            step = int(self.step or 1)
            return trial.suggest_int(
                self.key, int(self.low), int(self.high), step=step, log=self.log
            )
        return trial.suggest_float(self.key, self.low, self.high, step=self.step, log=self.log)

    def values(self) -> list[Value]:
        """All its values, for a grid.

        Raises:
            UserError: there are more than can be counted.
        """
        if self.choices:
            return list(self.choices)
        step = self.step or (1 if self.is_whole and not self.log else None)
        if step is None:
            raise UserError(
                f"space.{self.key}: a grid needs values or a step: space.{self.key}=[0.001,0.01]"
            )
        count = math.floor((self.high - self.low) / step + 1e-9) + 1
        return [round(self.low + nth * step, 12) for nth in range(count)]

    def is_used(self, known: Mapping[str, Any]) -> bool:
        """Whether its conditions hold under the values of the parameters before it."""
        return all(
            key in known and text_of(known[key]) in map(text_of, values)
            for key, values in self.when.items()
        )

    def __str__(self) -> str:
        if self.choices:
            text = f"one of {', '.join(map(text_of, self.choices))}"
        else:
            text = f"{self.low:g} to {self.high:g}"
            text += f" by {self.step:g}" if self.step else ", log" if self.log else ""
            text += ", whole" if self.is_whole else ""
        used = [f"{k} is {' or '.join(map(text_of, values))}" for k, values in self.when.items()]
        return text + (f" (when {' and '.join(used)})" if used else "")


def read_space(given: Mapping[str, Any], fixed: Mapping[str, Any]) -> list[Parameter]:
    """A space from plain containers.

    Args:
        given: override key to list or mapping.
        fixed: overrides that were given a value; they are not searched, but may be a condition.

    Raises:
        UserError: nothing to search, or values that make no sense.
    """
    space = [_read(str(key), value) for key, value in given.items() if key not in fixed]
    if not space:
        raise UserError(
            "space: there is nothing to search; give a parameter values: "
            "'space.optimizer.lr={low:1e-4,high:1e-1,log:true}' or space.aggregator=[mean,lstm]"
        )
    known = set(fixed)
    for parameter in space:
        for key in parameter.when:
            if key not in known:
                raise UserError(
                    f"space.{parameter.key}.when names '{key}', which is no parameter before it"
                    f"{nearest(key, known)}"
                )
        known.add(parameter.key)
    return space


def suggest(space: Sequence[Parameter], trial: Trial, fixed: Mapping[str, Any]) -> dict[str, Value]:
    """Values of a trial, those of unused parameters left out."""
    values: dict[str, Value] = {}
    for parameter in space:
        if parameter.is_used({**fixed, **values}):
            values[parameter.key] = parameter.suggest(trial)
    return values


def grid(space: Sequence[Parameter], fixed: Mapping[str, Any]) -> list[dict[str, Value]]:
    """Every combination, once: the last parameter changes fastest."""

    def walk(nth: int, values: dict[str, Value]) -> Iterator[dict[str, Value]]:
        if nth == len(space):
            yield values
        elif space[nth].is_used({**fixed, **values}):
            for value in space[nth].values():
                yield from walk(nth + 1, {**values, space[nth].key: value})
        else:
            yield from walk(nth + 1, values)

    return list(walk(0, {}))


def override(key: str, value: Any) -> str:
    return f"{key}={text_of(value)}"


def kept(value: Any) -> Value:
    """A value as a study keeps it: plain ones alone, so lists and mappings as text."""
    return text_of(value) if isinstance(value, list | Mapping) else value


def text_of(value: Any) -> str:
    """A value as Hydra reads it back."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return f"[{','.join(map(text_of, value))}]"
    if isinstance(value, Mapping):
        return f"{{{','.join(f'{key}:{text_of(item)}' for key, item in value.items())}}}"
    if isinstance(value, str):
        is_written = value[:1] in ("[", "{")  # a list or mapping, turned into text by read_space
        is_word = re.fullmatch(r"[A-Za-z_][\w./-]*", value) and not _is_constant(value)
        if is_written or is_word:
            return value
        escaped = value.replace("\\", "\\\\").replace("'", "\\'")
        return f"'{escaped}'"
    return f"{value:.12g}" if isinstance(value, float) else str(value)  # 0.15000000000000002


def _is_constant(word: str) -> bool:
    return word.lower() in ("null", "true", "false", "nan", "inf")


def _read(key: str, value: Any) -> Parameter:
    where = f"space.{key}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        value = {"choices": list(value)}
    if not isinstance(value, Mapping):
        raise UserError(
            f"{where}: {value!r} is neither values, [a,b], nor a range, {{low: 1, high: 9}}"
        )
    known = LIST_KEYS if "choices" in value else RANGE_KEYS
    for name in value:
        if name not in known:
            raise UserError(
                f"{where}.{name}: no such key{nearest(str(name), known)} "
                f"(there are: {', '.join(known)})"
            )
    given_when = value.get("when") or {}
    if not isinstance(given_when, Mapping):
        raise UserError(f"{where}.when: {given_when!r} is no mapping of keys to values")
    when = {str(k): tuple(v) if isinstance(v, list) else (v,) for k, v in given_when.items()}
    if "choices" in value:
        return Parameter(key, choices=_choices(where, value["choices"]), when=when)
    return _range(key, value, when)


def _choices(where: str, values: Any) -> tuple[Value, ...]:
    if not isinstance(values, Sequence) or isinstance(values, str) or not values:
        raise UserError(f"{where}: {values!r} is no list of values, [a,b]")
    plain = [kept(value) for value in values]
    if len({text_of(v) for v in plain}) < len(plain):
        raise UserError(f"{where}: a value stands twice in {text_of(values)}")
    return tuple(plain)


def _range(key: str, value: Mapping[str, Any], when: dict[str, tuple[Value, ...]]) -> Parameter:
    where = f"space.{key}"
    numbers = {name: value.get(name) for name in ("low", "high", "step")}
    for name, number in numbers.items():
        absent = number is None and name == "step"
        if not absent and (isinstance(number, bool) or not isinstance(number, int | float)):
            raise UserError(f"{where}.{name}: {number!r} is no number; a range has low and high")
    low, high, step = numbers["low"], numbers["high"], numbers["step"]
    assert low is not None
    assert high is not None
    log = value.get("log") or False
    if not isinstance(log, bool):
        raise UserError(f"{where}.log: {log!r} is neither true nor false")
    if not (math.isfinite(low) and math.isfinite(high) and low <= high):
        raise UserError(f"{where}: low={low:g} must not be above high={high:g}")
    if log and low <= 0:
        raise UserError(f"{where}: with log=true low={low:g} must be above 0")
    if step is not None and (step <= 0 or log):
        raise UserError(f"{where}.step: {step:g} must be above 0, and goes without log=true")
    return Parameter(key, (), low, high, log, step, when)
