"""Tar shards with an index: a data set in a few large files, on this disk or behind a URL."""

from __future__ import annotations

import json
import os
import posixpath
from functools import cached_property
from pathlib import Path
from typing import Any

from stfw.types import Record, Split, UserError
from stfw.video.blob import file_system, is_remote

VERSION = 1
INDEX = "index.json"
SPLITS: tuple[Split, ...] = ("train", "val", "test")
# per sample, in this order; a list of such rows loads ten times faster than mappings
COLUMNS = ("video_id", "shard", "offset", "size", "label", "start_sec", "end_sec", "group")


class Shards:
    """A folder written by ``stfw data pack``: ``index.json`` and tar files.

    The index says where in which shard each video lies, so that samples are reached by number:
    epochs are exact, runs resume, and ranks share without overlap, as with files.

    Args:
        root: the folder, or its URL in any form that fsspec knows (``https://``, ``s3://``, ...).

    Raises:
        UserError: no index there, one of another version, or shards that do not fit it.
    """

    def __init__(self, root: str) -> None:
        self.root = (
            root.rstrip("/") if is_remote(root) else os.path.abspath(Path(root).expanduser())
        )
        self.index = read_index(self.root, root)
        self._check_shards()

    @property
    def classes(self) -> list[str]:
        return list(self.index["classes"])

    def records(self, split: Split) -> list[Record]:
        """The videos of a split, in the order of the data set that was packed."""
        return list(self._records[split])

    @cached_property
    def _records(self) -> dict[Split, list[Record]]:
        paths = [self.path(shard["name"]) for shard in self.index["shards"]]
        return {
            split: [
                Record(
                    video_id,
                    paths[shard],
                    tuple(label) if isinstance(label, list) else label,
                    start_sec,
                    end_sec,
                    group,
                    (offset, size),
                )
                for video_id, shard, offset, size, label, start_sec, end_sec, group in rows
            ]
            for split, rows in self.index["samples"].items()
        }

    def path(self, name: str) -> str:
        """Path or URL of a shard."""
        return posixpath.join(self.root, name) if is_remote(self.root) else f"{self.root}/{name}"

    @classmethod
    def write_toy(cls, root: Path) -> Shards:
        """Six tiny videos in shards below ``root``."""
        from stfw.data.folder import Folder
        from stfw.data.shard_writer import write_shards

        Folder.write_toy(root / "videos")
        reader = Folder(str(root / "videos"), val_fraction=0.25, test_fraction=0.25)
        write_shards(reader, root, max_bytes=3000)
        return cls(str(root))

    def _check_shards(self) -> None:
        for number, shard in enumerate(self.index["shards"]):
            name = shard["name"]
            if name != posixpath.basename(name) or name in ("", ".", ".."):
                raise UserError(f"{self.root}/{INDEX}: shard {number} is named '{name}'; refused")
            if is_remote(self.root):
                continue  # told when it is read; asking for each would take as long as a batch
            path = self.path(name)
            if not os.path.isfile(path):
                raise UserError(f"{path} is missing; copy it there, or pack again")
            if os.path.getsize(path) != shard["size"]:
                raise UserError(
                    f"{path} has {os.path.getsize(path)} bytes, the index says {shard['size']}; "
                    "copy it again"
                )


def read_index(root: str, shown: str) -> dict[str, Any]:
    """The content of ``index.json``.

    Raises:
        UserError: it is not there, or no index of this version.
    """
    try:
        if is_remote(root):
            system, inner = file_system(posixpath.join(root, INDEX))
            content = system.cat_file(inner)
        else:
            content = Path(root, INDEX).read_bytes()
    except ImportError as error:
        raise UserError(f'data.root={shown}: {error}; pip install "stfw[remote]"') from error
    except Exception as error:  # each protocol raises kinds of its own
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(
            f"data.root={shown}: {INDEX} cannot be read ({reason}); give a folder made by "
            "stfw data pack"
        ) from error
    try:
        index = json.loads(content)
        version = index["version"]
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"data.root={shown}: {INDEX} is damaged; pack again") from error
    if version != VERSION or index.get("columns") != list(COLUMNS):
        raise UserError(
            f"data.root={shown}: {INDEX} has version {version}, this stfw reads {VERSION}; pack "
            "again, or update stfw"
        )
    return index
