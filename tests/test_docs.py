"""Every command that README and docs show works: composed and checked, and the inner parts run."""

from __future__ import annotations

import importlib
import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from stfw.assemble import check
from stfw.commands.data._sources import split_words
from stfw.commands.launchers import is_for_launch, read_launch
from stfw.commands.multirun import expand_first
from stfw.commands.table import parse as parse_table
from stfw.commands.table.spec import read_table
from stfw.config import compose, compose_root
from stfw.data.folder import Folder
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
    mine |= {"data=pairs", "data.root=two_suffixes", "sampler=ends", "streams=edges"}
    mine |= {"encoder=tiles", "fusion=gate"}
    if own := [word for word in words if is_for_launch(word)]:
        read_launch(own)
    rest = [word for word in words[1:] if word not in mine and not is_for_launch(word)]
    overrides = expand_first(rest)
    cfg = compose("train", overrides).cfg
    if words[0] == "train":
        check(cfg)


@pytest.mark.parametrize(
    ("page", "words"), [c for c in COMMANDS if c[1][0] == "data"], ids=lambda v: " ".join(v)[:60]
)
def test_shown_data_tools_take_these_arguments(page: str, words: list[str]) -> None:
    own, overrides = split_words(words[2:])
    module = importlib.import_module(f"stfw.commands.data.{words[1]}")
    module.parser().parse_args(own)
    if overrides:
        check(compose("train", overrides).cfg)


@pytest.mark.parametrize(
    "words", [words[1:] for _, words in COMMANDS if words[0] == "table"], ids=" ".join
)
def test_shown_tables_are_there_and_take_these_overrides(words: list[str]) -> None:
    _, table, extra = parse_table(words)
    first = next(iter(table.rows.values()))
    compose_root("train", [*table.run, *first.run, *extra])


@pytest.mark.parametrize(
    "words", [words for _, words in COMMANDS if words[0] in ("tune", "profile")], ids=" ".join
)
def test_shown_tuning_and_profiling_take_these_words(words: list[str]) -> None:
    name, rest = (
        ("profile", words[1:]) if words[0] == "profile" else (".".join(words[:2]), words[2:])
    )
    given = importlib.import_module(f"stfw.commands.{name}").parser().parse_args(rest)
    check(compose("train", given.overrides).cfg)


def test_the_shown_table_can_be_read() -> None:
    import yaml

    (shown,) = blocks(ROOT / "docs" / "tables.md", "yaml")
    table = read_table("widths", yaml.safe_load(shown))
    for row in table.rows.values():
        compose_root("train", [*table.run, *row.run])


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
    # those of a weights file: tests/commands/test_weights_file.py
    shown = [words for words in shown if ".safetensors" not in " ".join(words)]
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


def test_the_extensions_of_the_guide_train(
    stfw: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (ROOT / "docs" / "extend.md").read_text()
    files = re.findall(
        r"^`([\w/]+\.(?:py|yaml))`.*?```(?:python|yaml)\n(.*?)```", text, re.M | re.S
    )
    assert len(files) >= 8
    for name, content in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
        monkeypatch.delitem(sys.modules, Path(name).stem, raising=False)  # another test's
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("STFW_CONF", "my_conf")
    monkeypatch.setenv("STFW_TARGETS", "my_nets my_maps my_data my_data_sampler my_data_stream")
    Folder.write_toy(tmp_path / "two_suffixes")
    shown = [words for name, words in COMMANDS if name == "extend.md"]
    assert len(shown) >= 4
    for words in shown:
        own = [w for w in TINY if not w.startswith("trainer")]
        if any(word.startswith("data=") for word in words):
            toys = (
                "data.num_train",
                "data.num_val",
                "data.num_test",
                "data.num_frames",
                "data.size",
            )
            own = [w for w in own if not w.startswith(toys)]
        status, told, error = stfw(*words, *own)
        assert status == 0, (words, error)
        assert told.strip().splitlines()[-1].startswith("test/top1")


def test_every_fault_of_the_list_has_its_test() -> None:
    text = (ROOT / "docs" / "reliability.md").read_text()
    named = re.findall(r"`(\w+(?:/\w+)*\.py)::(test_\w+)`", text)
    assert len(named) > 20
    for file, test in named:
        assert f"\ndef {test}(" in (ROOT / "tests" / file).read_text(), (file, test)


def test_links_between_pages_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            if not target.startswith("http"):
                assert (page.parent / target).exists(), (page.name, target)
