"""One value out of a config's text is the value that YAML reads."""

from __future__ import annotations

import pytest
from omegaconf import OmegaConf

from stfw.config import compose, to_plain
from stfw.runs.config_text import MISSING, flat, flatten, value_at


@pytest.mark.parametrize(
    "overrides", [[], ["model=slowfast_r50"], ["model=three_stream", "logger=[tensorboard,wandb]"]]
)
def test_every_key_of_a_composed_config(overrides: list[str]) -> None:
    plain = to_plain(compose("train", overrides).cfg)
    text = OmegaConf.to_yaml(OmegaConf.create(plain))
    assert flat(text) == flatten(plain)
    for key, value in flatten(plain).items():
        found = value_at(text, key)
        assert found == value, key
        assert type(found) is type(value), key
    assert value_at(text, "optimizer") == plain["optimizer"]


def test_odd_values() -> None:
    tree = {
        "a": {"words": "one: two # three " * 20, "lines": "x\n  lr: 5\ny", "lr": 1e-05, "e": {}},
        "lr": 3,
        "items": [{"lr": 7}, 2],
        "no": "yes",
        "big": {"word": "1.0e3", "empty": "", "none": None, "flag": False, "neg": -0.5},
    }
    text = OmegaConf.to_yaml(OmegaConf.create(tree))
    for key, value in flatten(tree).items():
        assert value_at(text, key) == value, key
    assert value_at(text, "items.1") == 2
    for missing in ("b", "a.x", "items.9", "items.lr", "big.lr", "lr.x", "a.e.x"):
        assert value_at(text, missing) is MISSING, missing
    assert value_at("", "a") is MISSING
