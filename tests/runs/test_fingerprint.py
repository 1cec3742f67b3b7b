"""Two configurations have one fingerprint exactly where they compute the same."""

from __future__ import annotations

from stfw.config import compose, to_plain
from stfw.runs.fingerprint import of_config


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


def test_a_key_of_a_later_version_leaves_what_ran_before_as_it_is() -> None:
    now = to_plain(compose("train", []).cfg)
    before = {key: value for key, value in now.items() if key != "channels_last"}
    assert of_config(before) == of_config(now) != of("channels_last=true")
