"""Many epochs over a few videos: memory and open files of the workers must not grow.

    python tools/soak.py FOLDER [--epochs 200] [--clips 20] [--workers 1] [--json FILE]

The same persistent workers load every epoch, as in training. Their resident memory and open files
after the warm-up (a quarter of the epochs) are compared with those at the end; exits with 1 where
either has grown by 5 % or more.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

LIMIT = 0.05


def resident_bytes(process: int) -> int:
    """Resident memory of a process (Linux)."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def open_files(process: int) -> int:
    """Open file descriptors of a process (Linux)."""
    return len(os.listdir(f"/proc/{process}/fd"))


def snapshot(processes: list[int]) -> dict[str, int]:
    return {
        "rss_bytes": sum(map(resident_bytes, processes)),
        "open_files": sum(map(open_files, processes)),
    }


def make_loader(folder: Path, clips: int, workers: int) -> Any:
    """A training loader over the folder's videos, repeated to ``clips`` per epoch."""
    from stfw.data.datamodule import Loader, VideoDataModule
    from stfw.data.streams.difference import Difference
    from stfw.data.streams.rgb import RGB
    from stfw.data.streams.stream import Stream
    from stfw.sampling.clip_sampler import ClipSampler
    from stfw.transforms.clip import HorizontalFlip, RandomResizedCrop
    from stfw.transforms.pipeline import ClipPipeline
    from stfw.types import Record, Split
    from stfw.video.decode import decode

    paths = sorted(str(path) for path in folder.iterdir() if path.suffix in (".mp4", ".avi"))

    class Given:
        classes = ["a", "b"]  # noqa: RUF012

        def records(self, split: Split) -> list[Record]:
            return [Record(f"{i}", paths[i % len(paths)], i % 2) for i in range(clips)]

    return VideoDataModule(
        Given(),
        Loader(batch_size=4, num_workers=workers),
        ClipSampler(16, 2, short_side=128, crop_size=112),
        {"rgb": Stream(RGB()), "difference": Stream(Difference())},
        ClipPipeline({"crop": RandomResizedCrop(112), "flip": HorizontalFlip()}),
        decode,
        short_side=128,
    ).train_dataloader()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="video files")
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--clips", type=int, default=20, help="clips per epoch")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    arguments = parser.parse_args()
    os.environ.setdefault("STFW_CACHE", tempfile.mkdtemp())
    loader = make_loader(arguments.folder, arguments.clips, arguments.workers)
    warm: dict[str, int] = {}
    processes: list[int] = []
    for epoch in range(arguments.epochs):
        loader.batch_sampler.sampler.set_epoch(epoch)
        for batch in loader:
            del batch
        if epoch == arguments.epochs // 4:
            children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text()
            processes = [os.getpid(), *map(int, children.split())]
            warm = snapshot(processes)
    end = snapshot(processes)
    growth = {name: end[name] / warm[name] - 1 for name in warm}
    for name in warm:
        print(
            f"{name}: {warm[name]} after the warm-up, {end[name]} at the end ({growth[name]:+.1%})"
        )
    missed = [f"{name} grew by {value:.1%}" for name, value in growth.items() if value >= LIMIT]
    if arguments.json:
        report = {"warm": warm, "end": end, "growth": growth, "missed": missed}
        arguments.json.write_text(json.dumps(report, indent=2) + "\n")
    for line in missed:
        print(f"missed: {line}", file=sys.stderr)
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
