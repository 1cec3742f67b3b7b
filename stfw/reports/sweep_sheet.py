"""What a sweep's report shows: its trials as plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

State = Literal["complete", "pruned", "failed", "running"]


@dataclass(frozen=True)
class SweepTrial:
    """A trial.

    Attributes:
        number: from 0.
        state: how far it is.
        values: one per objective; empty where it has none.
        params: override key to value.
        epochs: epoch (from 1) to the score that was reported after it.
        folder: of its run.
        command: that runs it again, with the test that a sweep leaves out.
        problem: why it failed.
        log: the end of its log, where it failed.
        figures: every number of its ``run.json``.
    """

    number: int
    state: State
    values: tuple[float, ...]
    params: Mapping[str, Any]
    epochs: Mapping[int, float]
    folder: Path
    command: str
    problem: str = ""
    log: str = ""
    figures: Mapping[str, float] = field(default_factory=dict)

    @property
    def texts(self) -> dict[str, str]:
        """Parameters as short text."""
        return {key: short(value) for key, value in self.params.items()}


@dataclass(frozen=True)
class SweepSheet:
    """A sweep as it stands.

    Attributes:
        name: of its folder.
        num_asked: trials that it will have in the end.
        metrics: names of the objectives.
        directions: ``maximize`` or ``minimize``, of each.
        method: of the search.
        pruner: name of the rule that stops trials.
        overrides: of every trial.
        space: key to its values in words.
        logs: keys whose range is searched by orders of magnitude.
        trials: in order of their numbers.
        front: numbers of the trials that no other beats in every objective; of one objective: of
            the best.
        importance: key to its share, the largest first; may be empty.
    """

    name: str
    num_asked: int
    metrics: Sequence[str]
    directions: Sequence[str]
    method: str
    pruner: str
    overrides: Sequence[str]
    space: Mapping[str, str]
    logs: Sequence[str]
    trials: Sequence[SweepTrial]
    front: Sequence[int]
    importance: Mapping[str, float]

    def of_state(self, state: State) -> list[SweepTrial]:
        return [trial for trial in self.trials if trial.state == state]

    @property
    def is_single(self) -> bool:
        return len(self.metrics) == 1

    @property
    def num_ended(self) -> int:
        return len(self.trials) - len(self.of_state("running"))

    @property
    def best(self) -> list[SweepTrial]:
        """Complete trials, the best first; of several objectives: the front, by the first one."""
        found = self.of_state("complete")
        if not self.is_single:
            found = [trial for trial in found if trial.number in self.front]
        sign = -1 if self.directions[0] == "maximize" else 1
        return sorted(found, key=lambda trial: (sign * trial.values[0], trial.number))

    @property
    def counts(self) -> str:
        """``40 of 40 trials ended: 31 complete, 8 pruned, 1 failed``"""
        states: tuple[State, ...] = ("complete", "pruned", "failed", "running")
        parts = [f"{len(found)} {state}" for state in states if (found := self.of_state(state))]
        return f"{self.num_ended} of {self.num_asked} trials ended" + (
            f": {', '.join(parts)}" if parts else ""
        )


def short(value: Any) -> str:
    """A value in four digits."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
