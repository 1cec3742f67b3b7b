"""``stfw runs explain``: meaning, type, default, value and who set it, of every key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stfw.commands.runs.explain import explain
from stfw.commands.runs.signature import arguments
from stfw.config import compose, to_plain
from stfw.runs.config_text import flatten
from tests.commands.runs.conftest import Call


def told(stfw: Call, *words: str) -> dict[str, Any]:
    status, text, error = stfw("runs", "explain", *words, "--json")
    assert status == 0, error
    return json.loads(text)


@pytest.mark.parametrize("overrides", [[], ["model=three_stream", "logger=[tensorboard,wandb]"]])
def test_every_key_of_a_composed_run_has_a_meaning_and_a_place(overrides: list[str]) -> None:
    composed = compose("train", overrides)
    for key, value in flatten(to_plain(composed.cfg)).items():
        found = explain(key, composed)
        assert found.value == value or found.options, key
        assert found.settings, f"{key}: nothing sets it"
        assert found.comment or (found.argument and found.argument.meaning), f"{key}: no meaning"


def test_a_chain_of_settings_ends_with_the_one_that_holds(stfw: Call) -> None:
    found = told(stfw, "optimizer.lr", "model=i3d", "optimizer=sgd", "optimizer.lr=3")
    assert found["value"] == 3
    assert found["argument"]["owner"] == "torch.optim.SGD"
    assert found["argument"]["meaning"].startswith("learning rate")
    assert found["argument"]["default"] == "0.001"
    assert [s["where"].partition(":")[0] for s in found["settings"]] == [
        "conf/optimizer/sgd.yaml",
        "command line",
    ]
    assert (found["choice"]["where"], found["choice"]["text"]) == ("command line", "sgd")


def test_a_preset_that_chooses_and_sets(stfw: Call) -> None:
    found = told(stfw, "clip.num_frames", "model=c3d")
    assert found["value"] == 16
    assert found["choice"]["where"].startswith("conf/model/c3d.yaml:")
    assert "sampler.num_frames" in found["followers"]
    found = told(stfw, "data.batch_size")  # the loader's key beside the reader's
    assert found["argument"]["owner"] == "stfw.data.datamodule.Loader"
    assert [s["text"] for s in found["settings"]] == ["8", "16"]
    assert "per device" in found["comment"]


def test_groups_parts_and_keys_that_could_be_added(stfw: Call) -> None:
    found = told(stfw, "optimizer", "optimizer=sgd")
    assert (found["value"], "adamw" in found["options"]) == ("sgd", True)
    assert "optimizer.momentum" in found["parts"]
    found = told(stfw, "optimizer.eps")
    assert found["argument"]["default"] == "1e-08"
    assert "+optimizer.eps" in found["note"]
    assert told(stfw, "sampler.num_frames")["follows"] == "${clip.num_frames}"
    assert told(stfw, "resume")["value"] is None


def test_the_last_line_is_the_value(stfw: Call) -> None:
    _, text, _ = stfw("runs", "explain", "seed", "seed=7")
    assert text.splitlines()[-1] == "seed = 7  command line"
    assert text.startswith("meaning   of weights, shuffling")
    assert "\ntype      int\n" in text


def test_a_key_in_a_run(stfw: Call, runs: Path) -> None:
    found = told(stfw, "optimizer.lr", "aaaaaa")
    assert (found["value"], found["note"]) == (0.1, "")
    assert found["settings"][-1]["where"] == "command line"
    found = told(stfw, "optimizer._target_", "aaaaaa")  # as a file of today does not say
    assert found["value"] == "torch.optim.SGD"
    status, _, error = stfw("runs", "explain", "optimizer.lrr", "aaaaaa")
    assert (status, "did you mean 'optimizer.lr'?" in error) == (2, True)


def test_a_user_s_own_configs_are_told_with_their_file(
    stfw: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "optimizer").mkdir()
    (tmp_path / "optimizer" / "mine.yaml").write_text(
        "# my own\n_target_: torch.optim.SGD\n_partial_: true\nlr: 5  # steep\n"
    )
    monkeypatch.setenv("STFW_CONF", str(tmp_path))
    found = told(stfw, "optimizer.lr", "optimizer=mine")
    assert found["settings"] == [
        {"where": f"{tmp_path}/optimizer/mine.yaml:4", "text": "5", "comment": "steep"}
    ]
    assert found["comment"] == "steep"
    assert told(stfw, "optimizer", "optimizer=mine")["comment"] == "my own"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["optimizer.lrr"], "did you mean 'optimizer.lr'?"),
        (["encodr"], "did you mean 'encoder'?"),
        (["optimizer.lr=3"], "name a key first"),
        (["seed", "seed=1", "some_run"], "not both"),
        (["seed", "modl=c3d"], "did you mean 'model'?"),
    ],
)
def test_mistakes(stfw: Call, words: list[str], said: str) -> None:
    status, _, error = stfw("runs", "explain", *words)
    assert status == 2
    assert said in error


def test_signatures_are_read_without_importing() -> None:
    assert arguments("pytorch_lightning.Trainer")["max_epochs"].default == "None"
    assert arguments("torch.nn.CrossEntropyLoss")["label_smoothing"].hint == "float"
    assert arguments("stfw.tasks.schedules.cosine")["warmup_epochs"].default == "0.0"
    assert arguments("nowhere.At.All") == {}
