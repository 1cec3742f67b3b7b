"""What repeated results say: mean, spread, distance from a published value, verdict on a claim."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Summary:
    """Results of one cell.

    Attributes:
        mean: over all that are there; None: there are none.
        spread: standard deviation; None: fewer than two values to compare.
        done: how many results are there.
        wanted: how many there should be.
    """

    mean: float | None
    spread: float | None
    done: int
    wanted: int

    @property
    def complete(self) -> bool:
        return self.done == self.wanted

    def __str__(self) -> str:
        if self.mean is None:
            return "–"
        spread = "" if self.spread is None else f" ± {self.spread:.3f}"
        part = "" if self.complete else f" ({self.done} of {self.wanted})"
        return f"{self.mean:.3f}{spread}{part}"


def summarise(values: Mapping[tuple[Any, ...], float | None]) -> Summary:
    """Mean and spread of repeats.

    The spread is the standard deviation over the first part of the keys that varies, of means over
    the others: with (seed, fold), over seeds, of each seed's mean over the folds.

    Args:
        values: repeat -> result, None where there is none; all keys of one length.
    """
    there = {key: value for key, value in values.items() if value is not None}
    wanted = len(values)
    if not there:
        return Summary(None, None, 0, wanted)
    spread = None
    for part in range(len(next(iter(values)))):
        if len({key[part] for key in values}) > 1:
            groups: dict[Any, list[float]] = {}
            for key, value in there.items():
                groups.setdefault(key[part], []).append(value)
            means = [statistics.fmean(group) for group in groups.values()]
            spread = statistics.stdev(means) if len(means) > 1 else None
            break
    return Summary(statistics.fmean(there.values()), spread, len(there), wanted)


def against_published(ours: Summary, published: float | None, tolerance: float) -> str:
    """``reproduced``, ``within noise`` (two standard deviations), ``off``, or empty.

    Of some seeds or splits alone nothing is said but that: ``incomplete``.
    """
    if published is None or ours.mean is None:
        return ""
    if not ours.complete:
        return "incomplete"
    difference = abs(ours.mean - published)
    if difference <= tolerance:
        return "reproduced"
    if ours.spread is not None and difference <= 2 * ours.spread:
        return "within noise"
    return "off"


def compare(
    better: Summary, than: Sequence[Summary], by: float | None, lower: bool = False
) -> tuple[str, str]:
    """Whether one cell beats each of the others: the verdict, and the figures it rests on.

    Args:
        better: of which the claim says that it has the better mean.
        than: those that it is compared with.
        by: difference that is claimed; None: more than the largest spread of all of them.
        lower: the lower mean is the better one.

    Returns:
        ``confirmed``, ``refuted`` or ``not run``; and the difference in words.
    """
    if not all(one.complete and one.mean is not None for one in (better, *than)):
        return "not run", "not all of its runs are there"
    sign = -1.0 if lower else 1.0
    best = max(than, key=lambda one: sign * (one.mean or 0.0))
    assert better.mean is not None
    assert best.mean is not None
    spread = max((one.spread or 0.0) for one in (better, *than))
    difference = sign * (better.mean - best.mean)
    words = f"{better.mean:.4g} against {best.mean:.4g}, spread {spread:.3f}"
    if by is not None:
        words += f", claimed {sign * by:+.3g}"
    holds = difference >= by if by is not None else difference > spread
    return ("confirmed" if holds else "refuted"), words
