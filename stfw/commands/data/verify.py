"""``stfw data verify FOLDER``: shards, prepared videos and flow against their checksums."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stfw.commands.data._sources import add_workers, parallel
from stfw.commands.data._store import CHECKSUMS, sha256
from stfw.types import UserError


def main(words: Sequence[str]) -> None:
    arguments = parser().parse_args(words)
    folder = Path(arguments.folder).expanduser().absolute()
    if not folder.is_dir():
        raise UserError(f"{arguments.folder}: there is no such folder")
    expected, wrong, told = expected_sums(folder)
    jobs = [(str(folder / name), sum_) for name, sum_ in expected.items()]
    for (path, _), mistake in parallel(compare, jobs, arguments.workers, "verify"):
        if mistake:
            wrong.append(f"{Path(path).relative_to(folder)}: {mistake}")
    if wrong:
        raise UserError(
            "\n".join([*sorted(wrong), f"{len(wrong)} of {len(expected)} files are not as written"])
        )
    print(f"{told}, all as written")


def parser() -> argparse.ArgumentParser:
    """The tool's arguments."""
    made = argparse.ArgumentParser(
        prog="stfw data verify", description="Compare files with the checksums written with them."
    )
    made.add_argument("folder", help="made by stfw data pack, prepare or flow")
    add_workers(made)
    return made


def expected_sums(folder: Path) -> tuple[dict[str, str], list[str], str]:
    """File name to SHA-256; mistakes in the index itself; what the folder holds, in words.

    Raises:
        UserError: the folder holds neither shards nor checksums.
    """
    from stfw.data.shards import INDEX, read_index

    if (folder / INDEX).is_file():
        index = read_index(str(folder), str(folder))
        shards: list[dict[str, Any]] = index["shards"]
        wrong, num_samples = [], 0
        for rows in index["samples"].values():
            num_samples += len(rows)
            for video_id, shard, offset, size, *_ in rows:
                if not 0 <= shard < len(shards) or offset + size > shards[shard]["size"]:
                    wrong.append(f"{INDEX}: {video_id} lies outside its shard")
        sums = {shard["name"]: shard["sha256"] for shard in shards}
        return sums, wrong, f"{len(shards)} shards, {num_samples} samples"
    try:
        sums = json.loads((folder / CHECKSUMS).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(
            f"{folder} holds neither {INDEX} nor {CHECKSUMS}; give a folder made by stfw data "
            "pack, prepare or flow, after it has ended"
        ) from error
    except ValueError as error:
        raise UserError(f"{folder / CHECKSUMS} is damaged; make it again") from error
    return sums, [], f"{len(sums)} files"


def compare(job: tuple[str, str]) -> str:
    """What is wrong with a file; empty where nothing is."""
    path, expected = job
    if not Path(path).is_file():
        return "is missing"
    return "" if sha256(Path(path)) == expected else "has other content"
