"""``stfw data pack OUT -- data=...``: a data set as tar shards with an index."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from stfw.commands.data._sources import (
    add_workers,
    open_reader,
    output_folder,
    parallel,
    split_words,
)
from stfw.types import UserError


def main(words: Sequence[str]) -> None:
    own, overrides = split_words(words)
    arguments = parser().parse_args(own)
    if arguments.shard_mb <= 0:
        raise UserError(f"--shard-mb {arguments.shard_mb:g} must be above 0")
    _, reader = open_reader(overrides)
    folder = output_folder(arguments.out)
    from stfw.data.shard_writer import write_shards

    def run(function: Callable[[Any], Any], jobs: Sequence[Any]) -> Iterator[Any]:
        yield from parallel(function, jobs, arguments.workers, "shards")

    try:
        index = write_shards(reader, folder, round(arguments.shard_mb * 1e6), run)
    except OSError as error:  # no space, no permission, a video that went away
        raise UserError(
            f"{error.filename or arguments.out}: {error.strerror or error}; the shards that are "
            "whole are kept: mend it, and give the same command again"
        ) from error
    num_samples = sum(len(columns["video_id"]) for columns in index["samples"].values())
    num_bytes = sum(shard["size"] for shard in index["shards"])
    print(
        f"{num_samples} samples in {len(index['shards'])} shards, {num_bytes / 1e6:.1f} MB; train "
        f"with data=shards data.root={arguments.out}"
    )


def parser() -> argparse.ArgumentParser:
    """The tool's arguments."""
    made = argparse.ArgumentParser(
        prog="stfw data pack",
        description="Write a data set as tar shards that WebDataset tools read, with an index.",
        epilog="example: stfw data pack packed -- data=ucf101 data.root=UCF-101",
    )
    made.add_argument("out", help="folder of the shards")
    made.add_argument(
        "--shard-mb", type=float, default=512, help="megabytes of videos per shard (default 512)"
    )
    add_workers(made)
    return made
