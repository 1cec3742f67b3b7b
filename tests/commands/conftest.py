"""A tiny run that several tests look at, and the command line called in this process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from stfw.cli import main

TINY = [
    "data.num_train=16",
    "data.num_val=8",
    "data.num_test=9",
    "data.num_frames=20",
    "data.size=32",
    "data.batch_size=4",
    "data.num_workers=0",
    "clip.num_frames=4",
    "clip.short_side=24",
    "clip.crop_size=16",
    "trainer=cpu",
    "trainer.max_epochs=2",
]


@pytest.fixture
def stfw(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Calls ``stfw`` with words; gives (exit status, stdout, stderr)."""

    def call(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        try:
            main(words)
            status = 0
        except SystemExit as error:
            status = int(error.code or 0)
        told = capsys.readouterr()
        return status, told.out, told.err

    return call


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run."""
    folder = tmp_path_factory.mktemp("tiny") / "run"
    main(["train", *TINY, f"output_dir={folder}"])
    return folder
