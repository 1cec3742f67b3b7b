"""Every shipped option of every group composes and fits the code."""

from __future__ import annotations

import re

import pytest

from stfw.assemble import LOADER_KEYS, check
from stfw.config import compose, conf_dir, groups

NEEDS = {
    ("data", "folder"): ["data.root=x"],
    ("data", "ucf101"): ["data.root=x"],
    ("data", "table"): ["data.path=x"],
    ("data", "hmdb51"): ["data.root=x"],
    ("data", "kinetics"): ["data.root=x"],
    ("data", "ssv2"): ["data.root=x"],
    ("data", "jester"): ["data.root=x"],
    ("data", "shards"): ["data.root=x"],
    ("data", "mmaction"): ["data.train=x"],
    ("data", "rawframes"): ["data.train=x"],
    ("data", "pytorchvideo"): ["data.train=x"],
}
OTHERS = ("sweep", "table", "launcher", "experiment")  # their own tests compose them
OPTIONS = [
    (group, option)
    for group, options in groups(conf_dir()).items()
    for option in options
    if group.split("/")[0] not in OTHERS
]
# facts that more than one part shares; every other value stands where it is used
SHARED_FACTS = (
    "clip.",
    "views",
    "streams.",
    "trainer.max_epochs",
    "output_dir",
    "runs_dir",
    "name",
    "now:",
)


@pytest.mark.parametrize(("group", "option"), OPTIONS, ids=lambda value: str(value))
def test_option_composes_and_passes_the_dry_run(group: str, option: str) -> None:
    check(compose("train", [f"{group}={option}", *NEEDS.get((group, option), [])]).cfg)


def test_values_point_only_at_shared_facts() -> None:
    for path in conf_dir().rglob("*.yaml"):
        for pointed in re.findall(r"\$\{([^}]+)\}", path.read_text()):
            assert pointed.startswith(SHARED_FACTS), f"{path.name} points at {pointed}"


def test_loader_keys_are_those_of_the_loader_and_its_yaml() -> None:
    import dataclasses

    import yaml

    from stfw.data.datamodule import Loader

    fields = {field.name for field in dataclasses.fields(Loader)}
    shipped = yaml.safe_load((conf_dir() / "data" / "_loader.yaml").read_text())
    assert set(LOADER_KEYS) == fields == set(shipped)
