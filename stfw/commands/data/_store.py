"""What tools that fill a folder share: its settings, its bad videos, its checksums."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stfw.commands.data._sources import write_whole
from stfw.types import UserError, VideoError

CHECKSUMS = "checksums.json"


def keep_settings(path: Path, settings: Mapping[str, Any]) -> None:
    """Writes what the folder is made with; other settings may not be mixed into it.

    Raises:
        UserError: the folder was begun with other settings; those that differ are named.
    """
    if path.is_file():
        try:
            old = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise UserError(f"{path} is damaged; remove it, or choose another folder") from error
        names = sorted(name for name in {*old, *settings} if old.get(name) != settings.get(name))
        if names:
            told = ", ".join(f"{n} was {old.get(n)} and is {settings.get(n)}" for n in names)
            raise UserError(
                f"{path.parent} was begun with other settings: {told}; choose another folder"
            )
        return
    write_whole(path, json.dumps(dict(settings), indent=2) + "\n")


class BadVideos:
    """``bad_videos.jsonl``: the videos that a tool could not use, written as they are met."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "bad_videos.jsonl"
        self.path.unlink(missing_ok=True)  # of an earlier attempt; all are met again
        self.count = 0

    def add(self, video_id: str, error: VideoError) -> None:
        self.count += 1
        row = {
            "video_id": video_id,
            "path": error.path,
            "kind": error.kind,
            "reason": error.reason,
        }
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")

    def check(self, num_videos: int) -> None:
        """Raises where nothing at all could be used."""
        if num_videos and self.count == num_videos:
            raise UserError(f"none of the {num_videos} videos could be read: see {self.path}")


def sha256(path: Path) -> str:
    """Of a file's content, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def write_checksums(folder: Path, pattern: str) -> None:
    """``checksums.json``: relative path to SHA-256, of the files that match."""
    sums = {
        path.relative_to(folder).as_posix(): sha256(path) for path in sorted(folder.rglob(pattern))
    }
    write_whole(folder / CHECKSUMS, json.dumps(sums, indent=1) + "\n")


def free_of_parts(folder: Path) -> None:
    """Removes what an interrupted tool left half-written."""
    for path in folder.rglob("*.part"):
        os.unlink(path)
