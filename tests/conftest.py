"""What every test may use: the real clips where they are at hand, and a cache of its own."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from stfw.cli import main
from tests.command_line import TINY

# several test processes share the cores, and so do their runs; said before torch is imported
_PROCESSES = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
if _PROCESSES > 1:
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // _PROCESSES)))

SHARED_VIDEOS = Path(__file__).resolve().parents[2] / "shared" / "videos"


def pytest_collection_finish() -> None:
    """What is imported by now stays; without it every full collection has less to look at."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    gc.unfreeze()  # else libraries complain of what they find left at the end


@pytest.fixture(scope="session")
def shared_videos() -> Path:
    """Folder of real clips that lies beside the checkout; skips where it is absent."""
    if not SHARED_VIDEOS.is_dir():
        pytest.skip("the real clips (../shared/videos) are not at hand")
    return SHARED_VIDEOS


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Tests neither read nor write the user's cache."""
    os.environ.setdefault("STFW_CACHE", str(tmp_path_factory.mktemp("cache")))


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
