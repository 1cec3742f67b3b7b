"""``stfw predict <run or weights file> <files or folders>``: each file's most probable classes."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from stfw.types import UserError, VideoError

SUFFIXES = (
    ".mp4 .avi .mkv .mov .webm .mpg .mpeg .m4v .ts .flv .wmv .3gp".split()  # noqa: SIM905
)


def main(words: Sequence[str]) -> None:
    arguments = parser().parse_args(words)
    import stfw

    files = list(find_files(arguments.paths))
    model = stfw.load(arguments.run, arguments.device, arguments.views)
    results, failed = [], 0
    for file in files:
        row: dict[str, Any] = {"file": str(file)}
        try:
            ranked = model.predict(file, arguments.top)
            row["top"] = [{"class": name, "probability": round(p, 6)} for name, p in ranked]
            line = "  ".join(f"{name} {p:.3f}" for name, p in ranked)
        except VideoError as error:
            failed += 1
            row["error"] = {"kind": error.kind, "reason": error.reason}
            line = f"error: {error.reason}"
        results.append(row)
        if not arguments.json:
            print(f"{file}\t{line}", flush=True)
    if arguments.json:
        json.dump(results, sys.stdout, indent=2, ensure_ascii=False)
        print()
    if failed:
        raise UserError(f"{failed} of {len(files)} files could not be read")


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    made = argparse.ArgumentParser(
        prog="stfw predict", description="Label video files with a trained run or a weights file."
    )
    made.add_argument("run", help="run folder, checkpoint or weights file (.safetensors)")
    made.add_argument("paths", nargs="+", metavar="file or folder")
    made.add_argument("--top", type=int, default=5, help="classes per file (default 5)")
    made.add_argument("--views", help="test protocol, <clips>x<crops>; default: the run's own")
    made.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1 ... (default cpu)")
    made.add_argument("--json", action="store_true", help="print JSON")
    return made


def find_files(paths: Sequence[str]) -> Iterator[Path]:
    """The files named, and the videos below the folders named, in order.

    Raises:
        UserError: nothing there, or a folder without videos.
    """
    for text in paths:
        path = Path(text)
        if path.is_dir():
            found = sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES)
            if not found:
                raise UserError(f"{text}: there are no videos in this folder")
            yield from found
        elif path.exists():
            yield path
        else:
            raise UserError(f"{text}: there is no such file or folder")
