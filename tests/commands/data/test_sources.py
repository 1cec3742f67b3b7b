"""What the data tools share: overrides told from arguments, and work spread over processes."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from stfw.commands.data._journal import Journal
from stfw.commands.data._sources import parallel, split_words
from stfw.types import UserError


def square(number: int) -> int:
    return number * number


def die(number: int) -> int:
    if number == 3:
        os._exit(1)  # as a decoder's fault would
    return number


def test_overrides_are_told_from_arguments(tmp_path: Path) -> None:
    odd = tmp_path / "a=b.mp4"
    odd.write_text("")
    words = ["out", "--num=3", str(odd), "data=ucf101", "data.root=/x"]
    assert split_words(words) == (["out", "--num=3", str(odd)], ["data=ucf101", "data.root=/x"])
    assert split_words(["x=1", "--", "~callbacks.ema"]) == (["x=1"], ["~callbacks.ema"])


@pytest.mark.parametrize("workers", [1, 2])
def test_every_job_gives_its_result(workers: int) -> None:
    assert dict(parallel(square, range(9), workers, "test")) == {n: n * n for n in range(9)}


def test_a_dead_process_is_told_with_what_it_did() -> None:
    with pytest.raises(UserError, match=r"a process died while these were at work: .*3"):
        list(parallel(die, range(6), 2, "test"))


def test_it_may_be_left_early() -> None:
    results: Any = parallel(square, range(100), 2, "test")
    with closing(results):
        assert next(results)[1] >= 0


def test_a_journal_survives_a_cut_line(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "rows.jsonl")
    assert list(journal.rows()) == []
    journal.add({"a": 1})
    with journal.path.open("a") as file:
        file.write('{"a": 2')
    journal.add({"a": 3})
    assert list(journal.rows()) == [{"a": 1}, {"a": 3}]
