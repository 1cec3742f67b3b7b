"""Jobs as tasks of Ray."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from stfw.commands.launchers import read_launch
from stfw.types import UserError
from tests.commands.launchers.quick import run_quick

pytest.importorskip("ray")


def test_ray_gives_every_job_s_status_and_output(tmp_path: Path) -> None:
    run_quick(read_launch(["launcher=ray"])[2], tmp_path / "logs", None)


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["trainer.devices=999"], "this run: Ray has no place for 999 CPUs"),
        (
            ["-m", "seed=0,1", "trainer.devices=1", "launcher.cpus=999"],
            "seed=0: Ray has no place for 999 CPUs",
        ),
        (
            ["trainer.accelerator=gpu", "trainer.devices=1", "launcher.gpus=99"],
            "1 CPUs and 99 GPUs",
        ),
    ],
)
def test_ray_is_not_asked_for_what_it_never_has(
    stfw: Callable[..., tuple[int, str, str]], words: list[str], what: str
) -> None:
    status, _, error = stfw("train", "launcher=ray", "trainer=ddp", *words)
    assert status == 2
    assert what in error


def test_shares_of_a_gpu_fit_as_often_as_they_do() -> None:
    ray = read_launch(["launcher=ray"])[2]
    nodes = [{"Alive": True, "Resources": {"CPU": 16.0, "GPU": 1.0}}]
    wanted = {"num_cpus": 1, "num_gpus": 0.2}
    one = SimpleNamespace(nodes=lambda: nodes, shutdown=lambda: None)
    ray.check_place(one, wanted, 5, "five")
    with pytest.raises(UserError, match=r"six: Ray has no place for 6 CPUs and 1\.2 GPUs"):
        ray.check_place(one, wanted, 6, "six")
