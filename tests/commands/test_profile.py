"""Where the time goes: every moment in one stage, the page, the trace, the advice."""

from __future__ import annotations

import gzip
import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from stfw.commands import stages as s
from stfw.commands.profile import measure
from stfw.commands.profile_page import Profile, advice
from stfw.commands.tune._trial import prepare
from tests.command_line import TINY

Call = Callable[..., tuple[int, str, str]]


def test_page_and_trace_from_the_command_line(
    stfw: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["--steps", "3", *TINY, "--traced", "1", "--out", "seen"]
    status, told, error = stfw("profile", TINY[0], *words)
    assert status == 0, error
    page = (tmp_path / "seen" / "profile.md").read_text()
    assert page in told
    assert sorted(path.name for path in tmp_path.rglob("*")) == [
        "profile.md",
        "seen",
        "trace.json.gz",
    ]
    shares = dict(re.findall(r"^\| ([a-z ]+) \| [\d.]+ \| ([\d.]+)% \|$", page, re.MULTILINE))
    assert set(shares) >= {*s.STAGES, s.DECODE, s.SCALE, s.CLIP}
    assert sum(float(shares[stage]) for stage in s.STAGES) == pytest.approx(100, abs=0.5)
    assert re.search(r"^\| `aten::\w+` \| ", page, re.MULTILINE)
    with gzip.open(tmp_path / "seen" / "trace.json.gz", "rt") as file:
        names = {event.get("name") for event in json.load(file)["traceEvents"]}
    assert {s.FORWARD, s.BACKWARD, s.OPTIMIZER, s.WAIT} <= names


def test_time_is_given_to_where_it_was_spent(tmp_path: Path) -> None:
    trial = prepare(TINY)
    decode, loss = trial.data.decode, trial.task.loss.forward

    def slow_decode(*given: Any) -> Any:
        time.sleep(0.02)
        return decode(*given)

    def slow_loss(*given: Any) -> Any:
        time.sleep(0.2)
        return loss(*given)

    trial.data.decode, trial.task.loss.forward = slow_decode, slow_loss
    begin = time.perf_counter()
    seen = measure(trial, 3, 1, tmp_path / "trace.json.gz")
    assert seen.stages[s.LOSS] >= 3 * 0.2
    assert seen.stages[s.WAIT] >= 3 * 4 * 0.02  # four videos a batch, read by the loop itself
    assert seen.parts[s.DECODE] >= 0.02
    assert seen.parts[s.SCALE] > 0
    # stages are apart, none is empty, and together they are the time that went by
    assert set(seen.stages) == set(s.STAGES)
    assert seen.wall_sec == pytest.approx(sum(seen.stages.values()))
    assert 3 * 0.28 <= seen.wall_sec < time.perf_counter() - begin
    assert sum(share for _, share, _, _ in seen.operators) <= 1.0


def seen(on_gpu: bool = False, num_workers: int = 2, **shares: float) -> Profile:
    rest = {s.FORWARD: 1 - sum(shares.values())}
    given = {getattr(s, name): share for name, share in shares.items()} | rest
    return Profile(4, 8, num_workers, on_gpu, given, 1.0, {s.DECODE: 0.08, s.CLIP: 0.02}, [])


@pytest.mark.parametrize(
    ("profile", "said"),
    [
        (seen(WAIT=0.6), "60% of the time goes to waiting for data: 80% of reading is decoding"),
        (seen(CALLBACKS=0.3, LOOP=0.2), "try data.batch_size=16"),
        (seen(MOVE=0.5), "try data.batch_size=4"),
        (seen(OPTIMIZER=0.5), "try trainer.accumulate_grad_batches=4"),
        (seen(on_gpu=True, WAIT=0.1), "try trainer.precision=bf16-mixed"),
        (seen(BACKWARD=0.5), "the network itself takes 100% of the time: try compile=default"),
    ],
)
def test_the_advice_is_about_what_takes_most(profile: Profile, said: str) -> None:
    cfg = SimpleNamespace(
        data=SimpleNamespace(batch_size=8),
        trainer=SimpleNamespace(precision="32-true"),
        compile=None,
    )
    assert said in advice(profile, cfg)


def test_workers_are_the_advice_where_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stfw.commands.profile_page.num_cores", lambda: 4)
    cfg = SimpleNamespace(data=SimpleNamespace(batch_size=8))
    assert "try data.num_workers=1 or more" in advice(seen(num_workers=0, WAIT=0.6), cfg)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--steps", "0"], "--steps 0 is below 1"),
        (["optimizer.lrr=1"], "optimizer.lrr: no such key; did you mean 'lr'?"),
        (["--out", "file/x"], "--out file/x: no folder can be made there"),
    ],
)
def test_mistakes_are_named(
    stfw: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    status, _, told = stfw("profile", *words)
    assert status == 2
    assert message in told
