"""Every command that README and docs show works: composed and checked, and the inner parts run."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from stfw.assemble import check
from stfw.commands.multirun import expand_first
from stfw.config import compose
from tests.command_line import TINY

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
EXAMPLE_RUN = "runs/stconv_toy/2026-01-31_12-00-00-abc123"

Call = Callable[..., tuple[int, str, str]]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.DOTALL)


def commands() -> list[tuple[str, list[str]]]:
    """(page, words) of every ``stfw`` call in a shell block or a table."""
    found = []
    for page in PAGES:
        lines = [line for block in blocks(page, "sh") for line in block.splitlines()]
        lines += re.findall(r"^\| `(stfw [^`]*)`", page.read_text(), re.MULTILINE)
        for line in lines:
            for part in re.split(r"&&|;", line):
                words = shlex.split(part, comments=True)
                while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
                    words = words[1:]
                if words[:1] == ["stfw"]:
                    found.append((page.name, words[1:]))
    return found


COMMANDS = commands()
TRAIN = [(page, words) for page, words in COMMANDS if words[0] in ("train", "config")]


def test_the_pages_do_show_commands() -> None:
    assert len(TRAIN) > 15
    assert {words[0] for _, words in COMMANDS} >= {"train", "test", "predict", "config"}


@pytest.mark.parametrize(("page", "words"), TRAIN, ids=lambda value: " ".join(value)[:60])
def test_shown_overrides_compose_and_fit_the_code(page: str, words: list[str]) -> None:
    mine = {"encoder=frame_means", "model=mine", "check=true", "-m"}  # run below, or no override
    overrides = [word for word in expand_first(words[1:]) if word not in mine]
    check(compose("train", overrides).cfg)


def test_both_readme_commands_are_there_and_their_parts_exist() -> None:
    text = (ROOT / "README.md").read_text()
    assert "\npip install -e . && stfw train\n" in text
    assert '\npip install -e ".[dev]" && pytest\n' in text
    project = (ROOT / "pyproject.toml").read_text()
    assert 'stfw = "stfw.cli:main"' in project
    assert '    "pytest>=' in project


def test_shown_calls_of_a_run_work(
    stfw: Call, tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import csv
    import shutil

    row = next(csv.DictReader((tiny_run / "predictions.csv").open()))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    for name in ("clip.mp4", "folder/other.mp4"):
        shutil.copy(row["path"], tmp_path / name)
    shown = [words for _, words in COMMANDS if words[0] in ("test", "predict")]
    assert shown
    for words in shown:
        status, _, told = stfw(*[word.replace(EXAMPLE_RUN, str(tiny_run)) for word in words])
        assert status == 0, (words, told)
    for code in blocks(ROOT / "README.md", "python"):
        exec(code.replace(EXAMPLE_RUN, str(tiny_run)), {})


def test_the_shown_mistake_gets_the_shown_answer(stfw: Call) -> None:
    text = (ROOT / "README.md").read_text()
    match = re.search(r"^\$ stfw (.*)\n(stfw: .*)$", text, re.MULTILINE)
    assert match
    status, _, told = stfw(*shlex.split(match[1]))
    assert (status, told.strip()) == (2, match[2])


def test_the_extension_of_the_guide_trains(
    stfw: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = ROOT / "docs" / "extend.md"
    (code,), (yaml,) = blocks(page, "python"), blocks(page, "yaml")
    (tmp_path / "my_nets.py").write_text(code)
    (tmp_path / "my_conf" / "encoder").mkdir(parents=True)
    (tmp_path / "my_conf" / "encoder" / "frame_means.yaml").write_text(yaml)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "my_nets", raising=False)  # another test's
    monkeypatch.setenv("STFW_CONF", "my_conf")
    monkeypatch.setenv("STFW_TARGETS", "my_nets")
    (words,) = [words for name, words in COMMANDS if name == "extend.md"]
    status, told, error = stfw(*words, *[w for w in TINY if not w.startswith("trainer")])
    assert status == 0, error
    assert told.strip().splitlines()[-1].startswith("test/top1")


def test_links_between_pages_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            if not target.startswith("http"):
                assert (page.parent / target).exists(), (page.name, target)
