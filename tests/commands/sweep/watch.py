"""What a sweep's tests share: its trials as the study has them, and waiting for a file."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial

from stfw.runs.study import StudyFolder

RATE = "space={optimizer.lr:{low:1e-4,high:1.0,log:true}}"
LIMIT_SEC = 240


def trials_of(folder: Path) -> list[FrozenTrial]:
    study = StudyFolder(folder)
    with study.locked():
        return study.load().trials


def begin(words: Sequence[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "stfw.cli", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_for(path: Path, process: subprocess.Popen[Any]) -> None:
    """Until a file is there, which the process, or one of its own, writes."""
    for _ in range(LIMIT_SEC * 20):
        if path.exists():
            return
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.05)
    raise AssertionError(f"{path} does not come")
