"""What ``stfw runs`` costs with many runs: CPU seconds of whole commands, Python's start included.

    python tools/bench_runs.py [--runs 2000] [--rounds 3] [--target 1] [--json FILE]

Makes run folders in a temporary folder: ``run.json``, ``config.yaml`` and ``metrics.csv`` as
``stfw train`` writes them, of several models and with 101 classes. Every row is a command in a
process of its own; the median of its rounds counts. Exits with 1 where a target is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

TARGET_SEC = 1.0
MODELS = ("stconv", "c3d", "i3d", "slowfast_r50")
ROWS = {
    "list": ["list"],
    "list, by choice and score": ["list", "model=i3d and val/top1>0.8", "sort=-val/top1"],
    "list, by a key of the config": ["list", "optimizer.lr>0.01 and data.batch_size=8", "--json"],
    "best": ["best", "model=c3d"],
    "tag": ["tag", "00000a"],
    "clean": ["clean"],
}


def make_runs(folder: Path, num: int) -> None:
    """Writes run folders; one in ten failed, without scores."""
    from omegaconf import OmegaConf

    from stfw.config import compose, to_plain

    draw = random.Random(0)
    classes = [f"class {k}" for k in range(101)]
    split = {"num_videos": 9537, "per_class": dict.fromkeys(classes, 95)}
    composed, texts = {}, {}
    for model in MODELS:
        words = [f"model={model}", "data=ucf101", "data.root=/d", "optimizer.lr=0.123"]
        composed[model] = compose("train", [*words, "seed=456", "output_dir=/out"])
        texts[model] = OmegaConf.to_yaml(OmegaConf.create(to_plain(composed[model].cfg)))
    for number in range(num):
        model, failed = MODELS[number % len(MODELS)], number % 10 == 0
        lr, day = draw.choice((0.1, 0.03, 0.01, 0.003)), 1 + number // 90
        path = folder / f"{model}_ucf101" / f"2026-01-{day:02}_12-00-00-{number:06x}"
        path.mkdir(parents=True)
        text = (
            texts[model].replace("lr: 0.123", f"lr: {lr}").replace("seed: 456", f"seed: {number}")
        )
        (path / "config.yaml").write_text(text.replace("/out", str(path)))
        top1 = round(draw.uniform(0.3, 0.95), 6)
        record: dict[str, Any] = {
            "name": f"{model}_ucf101",
            "command": f"stfw train model={model} data=ucf101 data.root=/d optimizer.lr={lr}",
            "overrides": [f"model={model}", "data=ucf101", "data.root=/d", f"optimizer.lr={lr}"],
            "status": "failed" if failed else "finished",
            "started": f"2026-01-{day:02}T12:00:00+00:00",
            "ended": f"2026-01-{day:02}T15:00:00+00:00",
            "summary": {"choices": composed[model].choices, "num_parameters": 1, "seed": number},
            "classes": classes,
            "data": {
                "fingerprint": "feed",
                "splits": {"train": split, "val": split, "test": split},
            },
            "versions": {"torch": "2.9.9"},
            "git": {"commit": "0123456789", "dirty": False},
        }
        if not failed:
            record["metrics"] = {"val/top1": top1, "test/top1": top1 - 0.01}
        (path / "run.json").write_text(json.dumps(record, indent=2))
        (path / "metrics.csv").write_text("epoch,step,lr,val/top1\n0,10,0.1,0.3\n")


def cpu_sec(words: list[str], folder: Path) -> float:
    """User and system seconds of one command.

    Raises:
        RuntimeError: it failed.
    """
    command = [sys.executable, "-m", "stfw", "runs", *words, f"runs_dir={folder}"]
    before = os.times()
    done = subprocess.run(command, capture_output=True, text=True)
    after = os.times()
    if done.returncode:
        raise RuntimeError(done.stderr)
    return (
        after.children_user - before.children_user + after.children_system - before.children_system
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--target", type=float, default=TARGET_SEC, help="seconds of CPU time")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        make_runs(folder, arguments.runs)
        found = {
            name: statistics.median(cpu_sec(words, folder) for _ in range(arguments.rounds))
            for name, words in ROWS.items()
        }
    missed = [name for name, spent in found.items() if spent > arguments.target]
    for name, spent in found.items():
        print(f"{name:<30} {spent:6.2f} s CPU{'  missed' if name in missed else ''}")
    if arguments.json:
        told = {"num_runs": arguments.runs, "target_sec": arguments.target, "cpu_sec": found}
        arguments.json.write_text(json.dumps(told, indent=2) + "\n")
    print(f"{arguments.runs} runs: {'missed' if missed else 'all within'} {arguments.target:g} s")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
