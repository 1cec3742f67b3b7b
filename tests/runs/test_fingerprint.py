"""Two configurations have one fingerprint exactly where they compute the same."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from omegaconf import OmegaConf, open_dict

from stfw.config import compose, to_plain
from stfw.runs.fingerprint import of_config, without_later


def of(*words: str) -> str:
    return of_config(to_plain(compose("train", list(words)).cfg))


def test_callbacks_that_act_count_and_those_that_watch_do_not() -> None:
    usual = of()
    watching = ["~callbacks.progress", "callbacks.last.every_n_epochs=2"]
    assert of("output_dir=/a/run", *watching) == usual
    assert of("name=x", "runs_dir=y", "logger=tensorboard") == usual
    different = [
        of("callbacks=ema"),
        of("callbacks=ema", "callbacks.ema.decay=0.5"),
        of("callbacks=precise_bn"),
        of("callbacks.best.monitor=val/loss", "callbacks.best.mode=min"),
    ]
    assert len({usual, *different}) == 1 + len(different)


def test_a_callback_s_own_folder_says_nothing() -> None:
    note = "+callbacks.note={_target_:note.Note,folder:'${output_dir}/notes'}"
    assert of(note) == of(note, "output_dir=/a/run") != of()


@pytest.mark.parametrize(
    ("words", "room", "key", "other"),
    [
        (["aggregator=lstm"], "aggregator", "with_mean", True),
        (["aggregator=gru"], "aggregator", "with_mean", True),
        (["model=c3d"], "encoder", "last_pool", "ceil"),
        (["fusion=hierarchical"], "fusion.first", "per_feature", True),
        (["+aggregator@streams.rgb.aggregator=gru"], "streams.rgb.aggregator", "with_mean", True),
    ],
    ids=str,
)
def test_a_part_s_later_setting_leaves_what_ran_before_as_it_is(
    words: list[str], room: str, key: str, other: Any
) -> None:
    now = compose("train", words).cfg
    before = copy.deepcopy(now)
    with open_dict(before):
        del OmegaConf.select(before, room)[key]
    fingerprint = of_config(to_plain(now))
    assert of_config(to_plain(before)) == fingerprint
    OmegaConf.update(now, f"{room}.{key}", other)
    assert of_config(to_plain(now)) != fingerprint


def test_gates_by_feature_are_no_later_setting_of_a_plain_fusion() -> None:
    """It was there from the first, so it stands in every fingerprint."""
    plain = to_plain(compose("train", ["fusion=gated"]).cfg)
    assert without_later(plain)["fusion"]["per_feature"] is False


def test_a_key_of_a_later_version_leaves_what_ran_before_as_it_is() -> None:
    now = to_plain(compose("train", []).cfg)
    before = {key: value for key, value in now.items() if key != "channels_last"}
    assert of_config(before) == of_config(now) != of("channels_last=true")
