"""Recipes beside overrides, models and tables; what each of them is: test_every_recipe.py."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any

import pytest

from stfw.assemble import check
from stfw.commands.table.spec import read_table
from stfw.config import compose, compose_root, conf_dir, groups, to_plain
from stfw.types import UserError
from tests.recipes.shipped import DATA, RECIPES, composed

TABLES = ("ucf101", "hmdb51", "kinetics400", "ssv2", "i3d_2017")


def test_command_line_beats_recipe_beats_model() -> None:
    model = compose("train", ["model=i3d"]).cfg
    recipe = composed("ucf101/i3d").cfg
    assert model.optimizer.base_batch_size is None
    assert (recipe.optimizer.base_batch_size, recipe.views) == (96, "4x1")
    words = [
        "experiment=ucf101/i3d",
        "data.root=x",
        "aggregator=max",
        "encoder=stconv",
        "views=1x1",
    ]
    cfg = compose("train", words).cfg
    plain = compose("train", ["encoder=stconv", "aggregator=max"]).cfg
    assert cfg.encoder == plain.encoder
    assert cfg.aggregator == plain.aggregator
    for key in ("optimizer", "lr_scheduler", "transform", "clip", "data", "trainer", "head"):
        assert cfg[key] == recipe[key], key
    assert cfg.views == "1x1"


def test_another_trainer_keeps_the_recipes_epochs_unless_it_says_its_own() -> None:
    recipe = composed("kinetics400/r3d_18").cfg.trainer
    words = ["experiment=kinetics400/r3d_18", "data.root=x"]
    ddp = compose("train", [*words, "trainer=ddp", "trainer.devices=8"]).cfg.trainer
    assert (ddp.strategy, ddp.devices) == ("ddp", 8)
    assert (ddp.max_epochs, ddp.precision) == (recipe.max_epochs, recipe.precision)
    debug = compose("train", [*words, "trainer=debug"]).cfg.trainer
    assert (debug.max_epochs, debug.limit_train_batches) == (1, 2)


def test_another_transform_is_that_of_the_recipes_data_set() -> None:
    words = ["data.root=x", "transform=resized_crop"]
    flips = {
        name: compose("train", [f"experiment={name}", *words]).cfg.transform.train.flip.prob
        for name in ("ssv2/tsm", "ucf101/tsn", "ucf101/i3d")
    }
    assert flips == {"ssv2/tsm": 0.0, "ucf101/tsn": 0.5, "ucf101/i3d": 0.5}


def test_a_recipe_on_a_data_set_of_ones_own() -> None:
    words = ["experiment=kinetics400/slowfast_r50", "data=folder", "data.root=/videos"]
    cfg = compose("train", words).cfg
    check(cfg)
    assert cfg.data._target_ == "stfw.data.folder.Folder"
    assert cfg.optimizer.lr == 0.1


def test_weights_that_only_the_person_has_are_asked_for() -> None:
    cfg = composed("ssv2/slowfast_r50").cfg
    with pytest.raises(
        UserError, match=r"weights: this recipe starts from SlowFast 8x8 .*weights="
    ):
        check(cfg)
    check(compose("train", ["experiment=ssv2/slowfast_r50", "data.root=x", "weights=a.pt"]).cfg)


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("ucf101/c3dd", r"experiment=ucf101/c3dd: no such option; did you mean 'ucf101/c3d'\?"),
        ("_parts/i3d", "experiment=_parts/i3d"),
        ("hmdb/tsn", "did you mean 'hmdb51/tsn'"),
    ],
)
def test_a_misspelt_recipe_is_told(typed: str, answer: str) -> None:
    if typed.startswith("_"):
        assert not any(name.startswith("_") for name in RECIPES)
        return
    with pytest.raises(UserError, match=answer):
        compose("train", [f"experiment={typed}"])


@functools.cache
def rows(table: str) -> dict[str, Any]:
    return dict(
        read_table(table, to_plain(compose_root("table", [f"table={table}"]).cfg)["table"]).rows
    )


@pytest.mark.parametrize("table", TABLES)
def test_published_values_of_a_table_are_those_of_its_recipes(table: str) -> None:
    told = {name: (conf_dir() / "experiment" / f"{name}.yaml").read_text() for name in RECIPES}
    for name, row in rows(table).items():
        (recipe,) = [w.split("=")[1] for w in row.run if w.startswith("experiment=")] or [None]
        assert row.fuse or recipe in RECIPES, name
        if table != "i3d_2017" and recipe and row.published and len(row.run) == 1:
            value = row.published["value"]
            shown = map(float, re.findall(r"0\.\d+", told[recipe]))
            assert any(abs(figure - value) < 6e-4 for figure in shown), (name, value)


@pytest.mark.parametrize("data", DATA)
def test_every_recipe_has_its_row(data: str) -> None:
    used = {
        w.split("=")[1]
        for t in TABLES
        for row in rows(t).values()
        for w in row.run
        if "experiment=" in w
    }
    assert {name for name in RECIPES if name.startswith(f"{data}/")} - used <= {
        "hmdb51/two_stream_i3d",
        "ucf101/two_stream_i3d",
    }


def test_the_zoo_has_a_row_for_every_model_with_a_published_accuracy() -> None:
    own = {"cnn_attention", "fragments", "frame_cnn", "patches", "stconv", "three_stream"}
    zoo = rows("zoo")
    assert set(zoo) == set(groups(conf_dir())["model"]) - own
    for name, row in zoo.items():
        assert row.published["value"] > 0.5
        assert row.source
        assert row.run[0] in (f"experiment=kinetics400/{name}", f"model={name}")


def test_a_table_of_ones_own_gives_weights_to_rows_of_a_shipped_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "recipes.md").read_text()
    (shown,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    (tmp_path / "table").mkdir()
    (tmp_path / "table" / "my_ucf101.yaml").write_text(shown)
    monkeypatch.setenv("STFW_CONF", str(tmp_path))
    mine, shipped = rows("my_ucf101"), rows("ucf101")
    assert list(mine) == list(shipped)
    assert mine["TSM-R50"].run[1] == "weights=tsm_k400.safetensors"
    assert mine["TSM-R50"].published == shipped["TSM-R50"].published
    assert mine["C3D"] == shipped["C3D"]
