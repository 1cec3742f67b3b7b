"""The measuring tool runs every command it names, and fails where the target is missed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.test_docs import ROOT


def test_it_measures_and_judges(tmp_path: Path) -> None:
    words = [sys.executable, str(ROOT / "tools" / "bench_runs.py"), "--runs", "12", "--rounds", "1"]
    told = tmp_path / "told.json"
    done = subprocess.run(
        [*words, "--target", "0.001", "--json", str(told)], capture_output=True, text=True
    )
    assert done.returncode == 1, done.stderr
    found = json.loads(told.read_text())
    assert found["num_runs"] == 12
    assert len(found["cpu_sec"]) == 6
    assert min(found["cpu_sec"].values()) > 0.01
    assert done.stdout.count("missed") == 7
