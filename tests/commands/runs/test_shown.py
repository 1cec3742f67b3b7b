"""Every ``stfw runs`` that the page shows does what it says, on the runs of these tests."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.commands.runs.conftest import Call
from tests.test_docs import ROOT, blocks

SHOWN = [
    shlex.split(line)[1:]
    for block in blocks(ROOT / "docs" / "runs.md", "sh")
    for line in block.splitlines()
    if line.startswith("stfw runs")
]


def test_the_page_shows_every_tool() -> None:
    from stfw.commands.runs import TOOLS

    assert {words[1] for words in SHOWN} == set(TOOLS)


@pytest.mark.parametrize("words", SHOWN, ids=" ".join)
def test_shown_calls_work(stfw: Call, runs: Path, words: list[str]) -> None:
    if "-paper" in words or "tag=good" in words:
        stfw("runs", "tag", "aaaaaa", "good", "paper")
    status, told, error = stfw(*words)
    assert status == 0, error
    assert told


def test_the_fields_of_the_page_are_those_that_there_are() -> None:
    from stfw.runs.entry import FIELDS

    (listed,) = re.findall(r"`(run id name [a-z ]+)`", (ROOT / "docs" / "runs.md").read_text())
    assert tuple(listed.split()) == FIELDS
