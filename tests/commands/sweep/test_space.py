"""What is searched, and by whom."""

from __future__ import annotations

import dataclasses
import math
import statistics
import sys

import optuna
import pytest

from stfw.commands.sweep.rehearse import check_first
from stfw.commands.sweep.report import parse
from stfw.commands.sweep.samplers import make_sampler
from stfw.commands.sweep.space import grid, override, read_space, suggest, text_of
from stfw.commands.sweep.spec import METHODS, read_sweep
from stfw.commands.sweep.words import OWN, read_edit
from stfw.config import compose, conf_dir, groups
from stfw.runs.study import require_optuna
from stfw.types import UserError
from tests.test_docs import COMMANDS

RATE = {"optimizer.lr": {"low": 1e-4, "high": 1e-2, "log": True}}
LSTM = {
    "aggregator": ["mean", "lstm"],
    "aggregator.hidden_size": {"low": 32, "high": 96, "step": 32, "when": {"aggregator": "lstm"}},
}


def test_values_lie_where_the_space_says() -> None:
    space = read_space(
        {
            **RATE,
            **LSTM,
            "clip.num_frames": {"low": 4, "high": 16, "step": 4},
            "loss.label_smoothing": {"low": 0.0, "high": 0.2, "step": 0.05},
            "encoder.channels": [[8, 16], [16, 32]],
        },
        {},
    )
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    drawn = [suggest(space, study.ask(), {}) for _ in range(60)]
    rates = [values["optimizer.lr"] for values in drawn]
    assert all(1e-4 <= rate <= 1e-2 for rate in rates)
    assert 15 < sum(rate < 1e-3 for rate in rates) < 45  # as many in either decade
    assert {values["clip.num_frames"] for values in drawn} == {4, 8, 12, 16}
    assert {values["encoder.channels"] for values in drawn} == {"[8,16]", "[16,32]"}
    texts = {override("s", values["loss.label_smoothing"]) for values in drawn}
    assert texts == {"s=0", "s=0.05", "s=0.1", "s=0.15", "s=0.2"}
    for values in drawn:
        assert ("aggregator.hidden_size" in values) is (values["aggregator"] == "lstm")
    assert {values.get("aggregator.hidden_size") for values in drawn} == {None, 32, 64, 96}


def test_the_first_trials_may_have_lists() -> None:
    sweep = read_sweep(["sweep=pareto", "first=[{encoder.channels:[8,16,32]}]"])
    assert list(sweep.points) == [{"encoder.channels": "[8,16,32]"}]
    with pytest.raises(UserError, match=r"encoder.channels=\[8,16\] is not in its space"):
        read_sweep(["sweep=pareto", "first=[{encoder.channels:[8,16]}]"])


def test_a_grid_is_every_combination_once() -> None:
    space = read_space({**LSTM, "seed": {"low": 0, "high": 1}}, {})
    points = grid(space, {})
    assert points == [
        {"aggregator": "mean", "seed": 0},
        {"aggregator": "mean", "seed": 1},
        *(
            {"aggregator": "lstm", "aggregator.hidden_size": size, "seed": seed}
            for size in (32, 64, 96)
            for seed in (0, 1)
        ),
    ]
    with pytest.raises(UserError, match="a grid needs values or a step"):
        grid(read_space(RATE, {}), {})


def test_what_is_given_is_not_searched_and_may_be_a_condition() -> None:
    space = read_space({**RATE, **LSTM}, {"aggregator": "lstm"})
    assert [parameter.key for parameter in space] == ["optimizer.lr", "aggregator.hidden_size"]
    study = optuna.create_study()
    assert "aggregator.hidden_size" in suggest(space, study.ask(), {"aggregator": "lstm"})
    with pytest.raises(UserError, match="nothing to search"):
        read_space(RATE, {"optimizer.lr": 0.1})


@pytest.mark.parametrize(
    ("word", "after"),
    [
        ("space.optimizer.lr.high=0.1", {"optimizer.lr": {**RATE["optimizer.lr"], "high": 0.1}}),
        (
            "space.clip.num_frames={low:4,high:8}",
            {**RATE, "clip.num_frames": {"low": 4, "high": 8}},
        ),
        ("space.clip.num_frames.low=4", {**RATE, "clip.num_frames": {"low": 4}}),
        ("space.aggregator=[mean,lstm]", {**RATE, "aggregator": ["mean", "lstm"]}),
        ("space.aggregator=mean,lstm", {**RATE, "aggregator": ["mean", "lstm"]}),
        ("+space.seed=[0,1]", {**RATE, "seed": [0, 1]}),
        ("~space.optimizer.lr", {}),
        ("space={optimizer.lr:[0.1,0.01]}", {"optimizer.lr": [0.1, 0.01]}),
    ],
)
def test_the_command_line_edits_a_space(word: str, after: dict) -> None:
    assert read_edit(word)(RATE) == after


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"seed": 3}, "neither values"),
        ({"seed": []}, "no list of values"),
        ({"seed": [1, 1]}, "stands twice"),
        ({"seed": {"low": 1}}, r"space.seed.high: None is no number"),
        ({"seed": {"low": 3, "high": 1}}, "must not be above"),
        ({"seed": {"low": 0, "high": 1, "log": True}}, "above 0"),
        ({"seed": {"low": 1, "hihg": 2}}, "did you mean 'high'"),
        ({"seed": {"low": 1, "high": 9, "step": 2, "log": True}}, "without log"),
        ({"seed": {"low": 1, "high": 2, "when": {"agregator": "lstm"}}}, "no parameter before it"),
    ],
)
def test_a_wrong_space_is_told(given: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_space(given, {})


@pytest.mark.parametrize(
    "value", [None, True, 3, 0.001, "mean", "1", "null", "a b", "it's", [1, [2, "x"]], {"a": [1]}]
)
def test_a_value_is_read_back_as_it_was(value: object) -> None:
    from hydra.core.override_parser.overrides_parser import OverridesParser

    parsed = OverridesParser.create().parse_override(f"x={text_of(value)}")
    assert parsed.value() == value


def test_keys_of_a_sweep_hide_none_of_a_run() -> None:
    """But for the name, which a sweep gives its runs itself."""
    run = {*map(str, compose("train", []).cfg), *groups(conf_dir())} - {"sweep"}
    assert run & {*OWN, "space"} == {"name"}


@pytest.mark.parametrize("method", METHODS)
def test_methods_learn_though_every_trial_has_a_new_sampler(method: str) -> None:
    """A bowl in the logarithms of two numbers; random is the measure of the others."""
    rate = "[1.0,0.1,0.01]" if method == "grid" else "{low:1e-4,high:1.0,log:true}"
    sweep = read_sweep(
        [
            "sweep=tpe",
            f"space={{optimizer.lr:{rate},optimizer.weight_decay:{rate}}}",
            f"search.method={method}",
            "search.population=10",
            f"num_trials={'null' if method == 'grid' else 80}",
        ]
    )

    def late(method: str) -> float:
        searched = dataclasses.replace(sweep, search={**sweep.search, "method": method})
        study = optuna.create_study()
        for number in range(sweep.num_trials):
            study.sampler = make_sampler(searched, number)
            trial = study.ask()
            values = suggest(sweep.space, trial, {})
            study.tell(trial, sum((math.log10(float(v or 0)) + 2) ** 2 for v in values.values()))
        if method != "nsga2":  # whose children may be their parents' twins
            seen = {tuple(trial.params.values()) for trial in study.trials}
            assert len(seen) == sweep.num_trials
        values = [trial.value for trial in study.trials]
        assert (min(values) == 0) is (method == "grid")
        return statistics.fmean(values[-20:])

    found = late(method)
    if method not in ("grid", "random"):
        assert found < 0.75 * late("random")


def test_without_optuna_the_line_to_install_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UserError, match=r'pip install "stfw\[sweep\]"'):
        require_optuna()


SHOWN = [words[1:] for page, words in COMMANDS if words[0] == "sweep"]


def test_the_pages_show_sweeps() -> None:
    assert len(SHOWN) > 5


@pytest.mark.parametrize("words", SHOWN, ids=lambda words: " ".join(words)[:60])
def test_shown_sweeps_are_understood(words: list[str]) -> None:
    if words[0] == "report":
        assert parse(words[1:])[0]["sweep"]
    else:
        check_first(read_sweep(words))
