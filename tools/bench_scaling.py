"""How training scales: clips/s and efficiency at 1, 2, 4, ... processes, GPUs or CPU alone.

    python tools/bench_scaling.py [--processes 1 2 4] [--target 0.9] [--json FILE] [overrides]

Every row is ``stfw train trainer=ddp trainer.devices=<n>`` for one epoch after one to warm up, with
the same batch per process (weak scaling), each process with the same number of cores. Efficiency is
clips/s over n times those of one process; the wait is the share of the time in which rank 0 stood
waiting for data. The median of the rounds counts. Exits with 1, naming the row, where efficiency is
below the target. On a CPU a process has cores / n of the largest n, so that one process has no more
cores than each of many.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any


def measure(num: int, cores: set[int], overrides: list[str], folder: Path) -> dict[str, float]:
    """Clips/s over all processes and rank 0's share of waiting, of the second epoch.

    Raises:
        RuntimeError: the run failed.
    """
    words = ["trainer=ddp", f"trainer.devices={num}", "trainer.max_epochs=2", "test=false"]
    words += ["trainer.limit_val_batches=0", "~callbacks.best", f"output_dir={folder}"]

    def on_its_cores() -> None:
        if cores:
            os.sched_setaffinity(0, cores)

    command = [sys.executable, "-m", "stfw", "train", *words, *overrides]
    done = subprocess.run(command, capture_output=True, text=True, preexec_fn=on_its_cores)
    if done.returncode:
        raise RuntimeError((done.stderr or done.stdout)[-2000:])
    with (folder / "metrics.csv").open(newline="") as file:
        last = list(csv.DictReader(file))[-1]
    return {
        "clips_per_sec": float(last["throughput/clips_per_sec"]),
        "wait_share": float(last["throughput/wait_share"]),
    }


def counts(num_gpus: int, num_cores: int) -> list[int]:
    """1, 2, 4, ... up to the GPUs there are, or the cores where there is none."""
    most = num_gpus or num_cores
    found = [1]
    while found[-1] * 2 <= most:
        found.append(found[-1] * 2)
    return found


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown."""
    lines = ["| processes | clips/s | efficiency | data wait |", "|---:|---:|---:|---:|"]
    lines += [
        f"| {row['processes']} | {row['clips_per_sec']:.1f} | {row['efficiency']:.2f} | "
        f"{100 * row['wait_share']:.0f}% |"
        for row in rows
    ]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--processes", type=int, nargs="+", help="default: 1, 2, 4, ...")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--target", type=float, help="least efficiency; none: nothing is missed")
    parser.add_argument("--json", type=Path)
    parser.add_argument("overrides", nargs="*", help="of stfw train, such as model=slowfast_r50")
    arguments = parser.parse_intermixed_args()
    import torch

    num_gpus = torch.cuda.device_count()
    cores = sorted(os.sched_getaffinity(0))
    processes = sorted({1, *(arguments.processes or counts(num_gpus, len(cores)))})
    most = processes[-1]
    if num_gpus and most > num_gpus:
        parser.error(f"--processes {most}: there are {num_gpus} GPUs")
    if not num_gpus and most > len(cores):
        parser.error(f"--processes {most}: there are {len(cores)} cores")
    accelerator = f"trainer.accelerator={'gpu' if num_gpus else 'cpu'}"
    found: dict[int, list[dict[str, float]]] = {num: [] for num in processes}
    with tempfile.TemporaryDirectory() as temporary:
        for number in range(arguments.rounds):
            for num in processes:
                share = set(cores[: len(cores) // most * num])
                folder = Path(temporary) / f"{num}-{number}"
                overrides = [accelerator, *arguments.overrides]
                found[num].append(measure(num, share, overrides, folder))
                print(f"{num}: {found[num][-1]['clips_per_sec']:.1f} clips/s", file=sys.stderr)
    middle = {
        num: {key: statistics.median(one[key] for one in rounds) for key in rounds[0]}
        for num, rounds in found.items()
    }
    alone = middle[1]["clips_per_sec"]
    rows = [
        {"processes": num, **values, "efficiency": values["clips_per_sec"] / (num * alone)}
        for num, values in middle.items()
    ]
    print(table(rows))
    if arguments.json:
        told = {
            "device": torch.cuda.get_device_name(0) if num_gpus else "cpu",
            "cores": len(cores),
            "overrides": arguments.overrides,
            "target": arguments.target,
            "rows": rows,
        }
        arguments.json.write_text(json.dumps(told, indent=2) + "\n")
    least = arguments.target
    missed = [row for row in rows if least is not None and row["efficiency"] < least]
    for row in missed:
        print(
            f"missed: {row['processes']} processes: efficiency {row['efficiency']:.2f}, "
            f"wanted at least {least:g}",
            file=sys.stderr,
        )
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
