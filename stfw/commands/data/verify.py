"""``stfw data verify FOLDER``: shards, prepared videos and flow against their checksums."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from stfw.commands.data._sources import add_workers, parallel
from stfw.commands.data._store import CHECKSUMS, sha256
from stfw.types import UserError


def main(words: Sequence[str]) -> None:
    arguments = parser().parse_args(words)
    folder = Path(os.path.abspath(os.path.expanduser(arguments.folder)))
    if not folder.is_dir():
        raise UserError(f"{arguments.folder}: there is no such folder")
    expected, wrong, told = expectations(folder)
    for job, mistake in parallel(compare, expected, arguments.workers, "verify"):
        if mistake:
            wrong.append(f"{job.path.relative_to(folder)}: {mistake}")
    if wrong:
        total = f"{len(wrong)} mistakes; {len(expected)} files were compared"
        raise UserError("\n".join([*sorted(wrong), total]))
    print(f"{told}, all well")


def parser() -> argparse.ArgumentParser:
    """The tool's arguments."""
    made = argparse.ArgumentParser(
        prog="stfw data verify", description="Compare files with the checksums written with them."
    )
    made.add_argument("folder", help="made by stfw data pack, prepare or flow")
    add_workers(made)
    return made


class Expected(NamedTuple):
    """What a file should be; ``size`` None: of its checksum's size."""

    path: Path
    sha256: str
    size: int | None = None


def expectations(folder: Path) -> tuple[list[Expected], list[str], str]:
    """What a folder should hold; what is wrong with its list; what it holds, in words.

    Raises:
        UserError: the folder holds neither shards nor checksums, or their list is damaged.
    """
    from stfw.data.shard_index import INDEX

    if (folder / INDEX).is_file():
        return _of_shards(folder)
    if (folder / CHECKSUMS).is_file():
        return _of_checksums(folder)
    raise UserError(
        f"{folder} holds neither {INDEX} nor {CHECKSUMS}; give a folder made by stfw data pack, "
        "prepare or flow, after it has ended"
    )


def compare(job: Expected) -> str:
    """What is wrong with a file; empty where nothing is."""
    try:
        if not job.path.is_file():
            return "is missing"
        size = job.path.stat().st_size
        if job.size is not None and size != job.size:
            return f"has {size} bytes and should have {job.size}"
        return "" if sha256(job.path) == job.sha256 else "has other content"
    except OSError as error:
        return f"cannot be read ({error.strerror})"


def _of_shards(folder: Path) -> tuple[list[Expected], list[str], str]:
    from stfw.data.shard_index import SPLITS, read_index

    index = read_index(str(folder), str(folder))  # also sees that samples lie in their shards
    shards = [Expected(folder / s["name"], s["sha256"], s["size"]) for s in index["shards"]]
    names = {shard.path.name for shard in shards}
    wrong = [
        f"{path.name}: is not in the index, but tools that take all tar files would read it"
        for path in folder.glob("*.tar")
        if path.name not in names
    ]
    num_samples = sum(len(index["samples"][split]["video_id"]) for split in SPLITS)
    return shards, wrong, f"{len(shards)} shards, {num_samples} samples"


def _of_checksums(folder: Path) -> tuple[list[Expected], list[str], str]:
    path = folder / CHECKSUMS
    try:
        sums = json.loads(path.read_text(encoding="utf-8"))
        files = [Expected(Path(os.path.abspath(folder / name)), sums[name]) for name in sums]
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"{path} is damaged; make it again") from error
    outside = [name for name, f in zip(sums, files, strict=True) if folder not in f.path.parents]
    if outside:
        raise UserError(f"{path} names {outside[0]!r}, which is outside the folder; make it again")
    return files, [], f"{len(files)} files"
