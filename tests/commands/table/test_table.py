"""``stfw table``: what is missing is run, what is done is not, and a kill loses nothing."""

from __future__ import annotations

import csv
import functools
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from stfw.commands.table import estimate_hours, parse
from stfw.commands.table.cells import Cell, make_cells
from stfw.commands.table.spec import fused_columns, read_table
from stfw.config import compose, compose_root, conf_dir, groups, to_plain
from stfw.runs.registry import Finished
from stfw.types import UserError
from tests.command_line import TINY, learnt

Call = Callable[..., tuple[int, str, str]]

PAIR = """
title: A pair
metric: test/top1
run: [{run}]
repeats: {{seed: [0, 1]}}
rows:
  a: {{run: [trainer.max_epochs=3], published: {{value: 0.9}}, source: a paper}}
  b: {{run: [trainer.max_epochs=3, optimizer.lr=0.02]}}
  both: {{fuse: [a, b]}}
  later: {{needs: a second sun}}
claims:
  - {{text: a beats b, better: a, than: [b]}}
  - {{text: a is no larger, better: a, than: [b], metric: num_parameters, by: 0, lower: true}}
  - {{text: warmth, needs: a second sun}}
"""

# the runs of PAIR once more, side by side
WIDE = """
run: [{run}, trainer.max_epochs=3]
repeats: {{seed: [0, 1]}}
columns: {{x: [], "y": [optimizer.lr=0.02], both: {{fuse: [x, "y"]}}}}
rows:
  all: {{published: {{both: 0.5}}}}
  one: {{columns: {{"y": [optimizer.lr=0.02]}}, repeats: {{seed: [1]}}}}
"""


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of one's own configs that holds the table ``pair``."""
    folder = tmp_path / "conf" / "table"
    folder.mkdir(parents=True)
    (folder / "pair.yaml").write_text(PAIR.format(run=", ".join(TINY)))
    (folder / "wide.yaml").write_text(WIDE.format(run=", ".join(TINY)))
    monkeypatch.setenv("STFW_CONF", str(tmp_path / "conf"))
    return tmp_path


def test_a_table_killed_in_the_middle_goes_on_and_ends_complete(pair: Path, stfw: Call) -> None:
    words = ["table", "table=pair", f"runs_dir={pair}/runs", f"tables_dir={pair}/tables"]
    command = [sys.executable, "-m", "stfw.cli", *words]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=pair) as process:
        while len(list(pair.glob("runs/*/*/checkpoints/last.ckpt"))) < 2:
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    part = (pair / "tables" / "pair" / "table.md").read_text()
    assert "(1 of 2)" in part
    assert (pair / "tables" / "pair" / "table.html").is_file()

    for seed in (0, 1):  # runs by hand count as well
        by_hand = ["trainer.max_epochs=3", "optimizer.lr=0.02", f"seed={seed}"]
        status, _, err = stfw("train", *TINY, *by_hand, f"runs_dir={pair}/runs")
        assert status == 0, err
    status, told, _ = stfw(*words)
    assert status == 0, told
    assert "4 runs, 1 to run" in told.splitlines()[0]
    assert "4 of 4 runs" in told.splitlines()[-1]
    rows = {r["row"]: r for r in csv.DictReader((pair / "tables/pair/table.csv").open())}
    finished = {
        path: record
        for path in (pair / "runs").rglob("run.json")
        if (record := json.loads(path.read_text()))["status"] == "finished"
    }
    assert len(finished) == 4
    # the run that was cut short gave what it gives in one piece
    whole_run = ["trainer.max_epochs=3", "seed=1", f"output_dir={pair}/whole"]
    assert stfw("train", *TINY, *whole_run)[0] == 0
    (cut,) = pair.glob("runs/pair-a-1/*")
    assert (pair / "tables/pair/logs/a-1.log").read_text().count("$ stfw train") == 2
    assert learnt(cut) == learnt(pair / "whole")
    scores = [
        json.loads((run / "run.json").read_text())["metrics"] for run in (cut, pair / "whole")
    ]
    assert scores[0] == scores[1]
    for name, is_it in (("a", False), ("b", True)):
        values = [
            record["metrics"]["test/top1"]
            for record in finished.values()
            if ("optimizer.lr=0.02" in record["overrides"]) is is_it
        ]
        assert rows[name]["test/top1"].startswith(f"{sum(values) / 2:.3f} ± "), name
    assert rows["a"]["published"] == "0.900 (a paper)"
    assert rows["a"]["status"] in ("off", "within noise")
    assert rows["both"]["test/top1"][0] in "01"
    assert rows["later"]["test/top1"] == "not run: needs a second sun"
    whole = (pair / "tables" / "pair" / "table.md").read_text()
    assert "| warmth |  | not run: needs a second sun |  |" in whole
    assert "| a is no larger |  | confirmed |" in whole
    assert "\n- test/top1; mean ± standard deviation over seed (2)\n" in whole

    status, told, _ = stfw(*words)
    assert status == 0
    assert "4 runs, 0 to run" in told.splitlines()[0]
    assert (pair / "tables" / "pair" / "table.md").read_text() == whole

    status, told, _ = stfw("table", "table=wide", *words[2:])
    assert status == 0, told
    assert "5 runs, 0 to run" in told.splitlines()[0]
    wide = {r["row"]: r for r in csv.DictReader((pair / "tables/wide/table.csv").open())}
    assert wide["all"]["x"] == rows["a"]["test/top1"]
    assert wide["all"]["y"] == rows["b"]["test/top1"]
    assert wide["all"]["both"] == rows["both"]["test/top1"]
    assert wide["all"]["published"] == "0.500"
    sizes = {
        name: int(row["parameters"].replace(",", ""))
        for name, row in rows.items()
        if name != "later"
    }
    assert sizes["both"] == sizes["a"] + sizes["b"] > 0
    fusing = rows["both"]["command"].split("; ")
    assert [command.split()[:2] for command in fusing] == [["stfw", "fuse"]] * 2
    scores = [json.loads(stfw(*c.split()[1:], "--json")[1])["fusion"]["test_top1"] for c in fusing]
    assert rows["both"]["test/top1"].startswith(f"{sum(scores) / 2:.3f}")
    assert (wide["one"]["x"], wide["one"]["both"]) == ("", "")
    assert "±" not in wide["one"]["y"]
    assert wide["one"]["command"].startswith("stfw train -m ")
    assert float(rows["a"]["clips/s"]) > 0

    # what has changed since is told: here the data of one run, and the code of another
    for key, (path, record) in zip(("data", "code"), finished.items(), strict=False):
        other = {"data": {"fingerprint": "x"}} if key == "data" else {"code_fingerprint": "x"}
        path.write_text(json.dumps({**record, **other}))
    status, told, _ = stfw(*words)
    assert status == 0
    assert "2 of 4 results are of other " in told.splitlines()[1]
    assert {"data (1)", "code (1)"} <= set(re.findall(r"\w+ \(1\)", told.splitlines()[1]))
    assert told.splitlines()[1].endswith("kept; stale=rerun runs them again")
    assert "2 of 4 results are of other " in (pair / "tables" / "pair" / "table.md").read_text()
    status, told, _ = stfw(*words, "stale=rerun", "dry_run=true")  # which looks at no data
    assert "4 runs, 1 to run" in told.splitlines()[0]


def test_other_repeats_are_typed_with_the_runs_own_keys(pair: Path) -> None:
    _, table, extra = parse(["table=wide", "repeats.seed=[3]", "repeats.data.seed=[1,2]", "x=1"])
    assert table.repeats == {"seed": [3], "data.seed": [1, 2]}
    assert table.repeats_of("one") == table.repeats
    assert extra == ["x=1"]


def test_a_failed_run_is_named_and_the_others_go_on(pair: Path, stfw: Call) -> None:
    words = ["table", "table=pair", "rows=[both]", "repeats.seed=[0]", f"runs_dir={pair}/runs"]
    status, told, err = stfw(*words, f"tables_dir={pair}/tables", "data=folder", "data.root=gone")
    assert status == 2  # the tiny toy's keys do not fit a folder: told before anything runs
    assert "rows.a" in err
    assert not (pair / "runs").exists()
    status, told, err = stfw(*words, f"tables_dir={pair}/tables", f"init_from={pair}/gone")
    assert status == 1, told + err
    assert "failed: a-0: exit" in err
    assert "failed: b-0: exit" in err
    assert "0 of 2 runs" in told


def test_the_dry_run_writes_nothing(pair: Path, stfw: Call) -> None:
    before = sorted(pair.rglob("*"))
    places = [f"runs_dir={pair}/runs", f"tables_dir={pair}/tables"]
    status, told, _ = stfw("table", "table=pair", "dry_run=true", *places)
    assert status == 0
    assert told.count("to run  ") == 4
    assert "(time unknown until one is done)" in told
    assert "optimizer.lr=0.02 seed=1" in told
    assert sorted(pair.rglob("*")) == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "usage"),
        (["table=clams"], "did you mean"),
        (["jobs=2"], "name a table"),
        (["table=pair", "rows=[c]"], "there is no row 'c'"),
        (["table=pair", "jobs=0"], "at least 1"),
        (["table=pair", "stale=never"], "keep and rerun"),
        (["table=pair", "repeats.sed=[0]", "dry_run=true"], "repeats.sed"),
        (["table=pair", "optimizer.lrr=1"], "rows.a: optimizer.lrr"),
    ],
)
def test_mistakes_are_told(pair: Path, stfw: Call, words: list[str], message: str) -> None:
    status, out, err = stfw("table", *words)
    assert message in out + err
    assert status == (2 if words else 0)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"rows": {}}, "no rows"),
        ({"rows": {"a": {"rum": []}}}, "did you mean 'run'"),
        ({"rows": {"a": {}, "b": {"fuse": ["c"]}}}, "names 'c'"),
        ({"rows": {"a": {"published": {"top1": 1.0}}}}, "the column 'top1'"),
        (
            {"rows": {"a": {"published": 0.5}}},
            r"published=0\.5 must name the column: {value: 0\.5}",
        ),
        ({"rows": {"a": {}}, "hours": "soon"}, "hours=soon: it must be a number above 0"),
        ({"rows": {"a": {}}, "tolerance": -1}, "tolerance=-1: it must be a number above 0"),
        ({"rows": {"a": {}}, "claims": [{"text": "x", "better": "z", "than": ["a"]}]}, "'z'"),
        ({"rows": {"a": {}}, "repeats": {"seed": []}}, "repeats.seed"),
        ({"rows": {"a": {"repeats": {"sed": [0]}}}}, "must have the keys seed"),
        ({"rows": {"a": {"columns": {"rgb": []}}}}, "columns names 'rgb'"),
        ({"rows": {"a": {}}, "columns": {"x": [], "y": {"fuse": ["z"]}}}, "fuses 'z'"),
        ({"rows": {"a": {}}, "columns": {"x": {"mean": []}}}, "neither a list nor"),
    ],
)
def test_a_wrong_table_is_refused(given: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_table("t", given)


def test_what_is_missing_takes_what_its_row_took() -> None:
    def cell(row: str, hours: float | None) -> Cell:
        start = datetime(2026, 1, 1)
        end = start + timedelta(hours=hours or 0)
        record = {"started": start.isoformat(), "ended": end.isoformat()}
        return Cell(row, "value", (0,), [], "", "", Finished(Path(), record) if hours else None)

    cells = [cell("a", 1.0), cell("a", 3.0), cell("b", 10.0), cell("a", None), cell("c", None)]
    assert estimate_hours(cells, cells[3:4]) == pytest.approx(2.0)
    assert estimate_hours(cells, cells[3:]) == pytest.approx(2.0 + 6.0)  # of c nothing is known
    assert estimate_hours(cells[3:], cells[3:]) is None
    assert estimate_hours(cells[3:], cells[3:], usual=0.5) == pytest.approx(1.0)


def test_rows_whose_runs_would_share_a_folder_are_refused() -> None:
    table = read_table("t", {"rows": {"a+b": {}, "a-b": {}, "c": {}}})
    with pytest.raises(UserError, match="'a\\+b' and 'a-b' would share the folder 'a_b"):
        make_cells(table, [])


@functools.cache
def chosen(words: tuple[str, ...]) -> DictConfig:
    return compose_root("train", words).cfg


@pytest.mark.parametrize("name", groups(conf_dir())["table"])
def test_every_row_of_a_shipped_table_composes(name: str) -> None:
    """What is chosen is composed, once for all rows that choose it; values are parsed, and laid
    upon keys that are there."""
    composed = compose_root("table", [f"table={name}"])
    table = read_table(name, to_plain(composed.cfg)["table"])
    recipes = groups(conf_dir())["experiment"]
    for row, wanted in table.rows.items():
        if wanted.fuse:
            continue
        for more in table.columns_of(row).values():
            if fused_columns(more):
                continue
            words = [*table.run, *wanted.run, *more]
            recipe, *others = sorted(words, key=lambda word: not word.startswith("experiment="))
            plain = ("weights=", "trainer.max_epochs=")
            if recipe.removeprefix("experiment=") in recipes and all(
                word.startswith(plain) for word in others
            ):
                continue  # tests/recipes/test_recipes.py
            values = [word for word in words if "." in word.split("=")[0] and word[0] not in "+~"]
            cfg = chosen(tuple(word for word in words if word not in values))
            for word in values:
                key = OverridesParser.create().parse_override(word).key_or_group
                parent, _, last = key.rpartition(".")
                assert last in list(OmegaConf.select(cfg, parent)), (row, word)
            assert all(
                OmegaConf.select(cfg, key, default=None) is not None for key in table.repeats
            )


def test_a_second_process_is_refused(pair: Path, stfw: Call) -> None:
    import fcntl

    folder = pair / "tables" / "pair"
    folder.mkdir(parents=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write(str(os.getpid()))
        lock.flush()
        words = ["table=pair", f"runs_dir={pair}/runs", f"tables_dir={pair}/tables"]
        status, _, err = stfw("table", *words)
    assert status == 2
    assert str(os.getpid()) in err


def test_last_or_best_weights_are_tested(stfw: Call, tmp_path: Path) -> None:
    """The key that a cross-validation without validation videos needs."""
    assert compose("train", []).cfg.test_checkpoint == "best"
    status, _, err = stfw("train", "test_checkpoint=first")
    assert status == 2
    assert "test_checkpoint" in err
