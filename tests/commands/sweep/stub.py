"""Stands for ``stfw train`` in a sweep's tests: reads its overrides, writes a ``run.json``.

Run as a program, so that a trial is a real process that can be killed. What it shall do is said by
files in the sweep's folder: ``hang_<trial>`` makes a trial's first start last until it is killed,
``fail_<trial>`` makes it fail, ``meet`` makes the first two of those that run wait for each other.
"""

from __future__ import annotations

import json
import math
import sys
import time
from pathlib import Path


def main(words: list[str]) -> None:
    given = dict(word.split("=", 1) for word in words)
    folder = Path(given["output_dir"].strip("'"))
    sweep, number = folder.parents[1], int(folder.name)
    with (folder / "starts.txt").open("a") as file:
        file.write(" ".join(words) + "\n")
    starts = len((folder / "starts.txt").read_text().splitlines())
    if (sweep / f"hang_{number}").exists() and starts == 1:
        (folder / "hangs").touch()
        time.sleep(600)
    if (sweep / "meet").exists():
        while len(list(folder.parent.glob("*/starts.txt"))) < int((sweep / "meet").read_text()):
            time.sleep(0.05)
    if (sweep / f"fail_{number}").exists():
        print("out of luck")
        sys.exit(3)
    lr = float(given["optimizer.lr"])
    record = {
        "status": "finished",
        "metrics": {"val/top1": 1 - abs(math.log10(lr) + 2) / 4},
        "summary": {"gmacs_per_view": lr},
    }
    (folder / "checkpoints").mkdir(exist_ok=True)
    (folder / "run.json").write_text(json.dumps(record))


if __name__ == "__main__":
    main(sys.argv[1:])
