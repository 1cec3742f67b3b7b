"""Help, config and their mistakes answer without torch."""

from __future__ import annotations

import subprocess
import sys

import pytest


def imported(*words: str) -> tuple[set[str], subprocess.CompletedProcess[str]]:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "stfw", *words], capture_output=True, text=True
    )
    names = {
        line.rpartition("|")[2].strip()
        for line in done.stderr.splitlines()
        if line.startswith("import time:")
    }
    return names, done


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["--version"],
        ["train", "--help"],
        ["config", "model=c3d"],
        ["train", "modle=c3d"],
    ],
)
def test_torch_is_not_imported(words: list[str]) -> None:
    names, done = imported(*words)
    assert done.returncode in (0, 2)
    assert names
    assert not {"torch", "pytorch_lightning", "av", "matplotlib"} & names


def test_help_imports_no_hydra_either() -> None:
    names, done = imported("--help")
    assert not {"hydra", "omegaconf", "numpy"} & names
    for command in ("train", "test", "predict", "config", "doctor", "completion"):
        assert command in done.stdout


def test_train_help_lists_the_groups() -> None:
    _, done = imported("train", "--help")
    (line,) = (line for line in done.stdout.splitlines() if line.split()[:1] == ["model"])
    assert {"c3d,", "frame_cnn,", "slowfast_r50,", "stconv,"} <= set(line.split())
