"""What repeated views of one decoded video, and small files, buy per clip.

    python tools/bench_storage.py FOLDER [--rounds 9] [--json FILE]

On the FOLDER's GOP-250 file: CPU time per clip with one and with four random views per decoded
video (``data.repeats=4``). Rows take turns in one process; medians and their ratio. Exits with 1
where a target is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

REPEATS_TARGET = 2.0  # times cheaper per clip, four views of a GOP-250 file


def sampler_of(path: Path, repeats: int) -> Callable[[int], float]:
    """CPU ms per clip of one training sample."""
    from stfw.data.sample import Loading, load_sample
    from stfw.data.streams.rgb import RGB
    from stfw.data.streams.stream import Stream
    from stfw.sampling.clip_sampler import ClipSampler
    from stfw.transforms.clip import HorizontalFlip, RandomResizedCrop
    from stfw.transforms.pipeline import ClipPipeline
    from stfw.types import Record
    from stfw.video.decode import decode

    steps = {"crop": RandomResizedCrop(112), "flip": HorizontalFlip(0.5)}
    sampler = ClipSampler(16, 2, short_side=128, crop_size=112)
    loading = Loading(
        sampler, {"rgb": Stream(RGB())}, ClipPipeline(steps), decode, 128, num_repeats=repeats
    )
    record = Record("clip", str(path), 0)

    def run(seed: int) -> float:
        begin = time.process_time()
        load_sample(record, loading, np.random.default_rng(seed))
        return 1000 * (time.process_time() - begin) / repeats

    return run


def compare(rows: dict[str, Callable[[int], float]], rounds: int) -> dict[str, float]:
    """Medians, the rows in turns; the first round warms up."""
    times: dict[str, list[float]] = {name: [] for name in rows}
    for seed in range(rounds + 1):
        for name, run in rows.items():
            spent = run(seed)
            if seed:
                times[name].append(spent)
    return {name: statistics.median(values) for name, values in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="holds k256_g250.mp4")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    arguments = parser.parse_args()
    os.environ.setdefault("STFW_CACHE", tempfile.mkdtemp())
    torch.set_num_threads(1)
    path = arguments.folder / "k256_g250.mp4"
    figures = compare(
        {"1 view": sampler_of(path, 1), "4 views": sampler_of(path, 4)}, 4 * arguments.rounds
    )
    ratio = figures["1 view"] / figures["4 views"]
    print(f"{path.name}: CPU ms per clip {figures}; 4 views are {ratio:.2f} times cheaper")
    missed = []
    if ratio < REPEATS_TARGET:
        missed.append(f"repeats on {path.name}: {ratio:.2f} < {REPEATS_TARGET}")
    if arguments.json:
        content = {"repeats": {**figures, "ratio": ratio}, "missed": missed}
        arguments.json.write_text(json.dumps(content, indent=2) + "\n")
    for line in missed:
        print(f"missed: {line}", file=sys.stderr)
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
