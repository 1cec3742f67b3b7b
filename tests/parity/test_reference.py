"""The references of a run of comparisons are listed with their versions."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

TESTS = Path(__file__).parent


def test_versions_are_listed_also_from_other_processes() -> None:
    words = [sys.executable, "-m", "pytest", "-q", "-n", "1", str(TESTS / "test_s3d.py")]
    told = subprocess.run(words, cwd=TESTS.parents[1], capture_output=True, text=True).stdout
    row = next((line for line in told.splitlines() if line.startswith("test_s3d.py::")), told)
    assert f"[torchvision {version('torchvision')}]" in row
    assert "s3d: logits within " in row
