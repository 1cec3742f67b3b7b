"""Tar shards with an index: a data set in a few large files, on this disk or behind a URL."""

from __future__ import annotations

import os
import posixpath
from pathlib import Path

from stfw.data.shard_index import COLUMNS, SPLITS, read_index
from stfw.types import Record, Split, UserError
from stfw.video.blob import is_remote


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
        index = read_index(self.root, f"data.root={root}")
        self._classes: list[str] = index["classes"]
        paths = [self._path(shard["name"]) for shard in index["shards"]]
        if not is_remote(self.root):  # elsewhere told when read; asking would take a second each
            for path, shard in zip(paths, index["shards"], strict=True):
                _check_size(path, shard["size"])
        self._records: dict[Split, list[Record]] = {}
        for split in SPLITS:
            columns = index["samples"].pop(split)  # what has been read is held once only
            self._records[split] = [
                Record(
                    video_id,
                    paths[shard],
                    tuple(label) if isinstance(label, list) else label,
                    start_sec,
                    end_sec,
                    group,
                    (offset, size),
                )
                for video_id, shard, offset, size, label, start_sec, end_sec, group in zip(
                    *(columns[name] for name in COLUMNS), strict=True
                )
            ]

    @property
    def classes(self) -> list[str]:
        return list(self._classes)

    def records(self, split: Split) -> list[Record]:
        """The videos of a split, in the order of the data set that was packed."""
        return list(self._records[split])

    @classmethod
    def write_toy(cls, root: Path) -> Shards:
        """Four tiny videos in shards below ``root``."""
        from stfw.data.folder import Folder
        from stfw.data.shard_writer import write_shards

        Folder.write_toy(root / "videos")
        reader = Folder(str(root / "videos"), val_fraction=0.25, test_fraction=0.25)
        write_shards(reader, root, max_bytes=3000)
        return cls(str(root))

    def _path(self, name: str) -> str:
        """Path or URL of a shard."""
        return posixpath.join(self.root, name) if is_remote(self.root) else f"{self.root}/{name}"


def _check_size(path: str, expected: int) -> None:
    try:
        size = os.path.getsize(path)
    except OSError as error:
        raise UserError(f"{path} is missing; copy it there, or pack again") from error
    if size != expected:
        raise UserError(f"{path} has {size} bytes, the index says {expected}; copy it again")
