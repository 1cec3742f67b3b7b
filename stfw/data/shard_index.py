"""The index of a folder of tar shards: ``index.json``, its format and what may not stand in it.

An index may come from anywhere: it is checked before anything in it is used.
"""

from __future__ import annotations

import json
import posixpath
import re
from pathlib import Path
from typing import Any

import numpy as np

from stfw.types import Split, UserError
from stfw.video.blob import file_system, is_remote, say_missing

VERSION = 1
INDEX = "index.json"
SPLITS: tuple[Split, ...] = ("train", "val", "test")
# of every split, one list each: half the time of reading a list per sample, a tenth of mappings
COLUMNS = ("video_id", "shard", "offset", "size", "label", "start_sec", "end_sec", "group")
_OPTIONAL: dict[str, tuple[type, ...]] = {
    "start_sec": (int, float),
    "end_sec": (int, float),
    "group": (str,),
}
# also behind a URL a name leads to no other folder, whatever a server makes of %2e or ?
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def read_index(root: str, shown: str) -> dict[str, Any]:
    """The content of ``index.json``.

    Keys: ``version``; ``classes``; ``shards``, each with ``name``, ``size`` and ``sha256``;
    ``samples``, of each split the ``COLUMNS``.

    Args:
        root: absolute path or URL of the folder.
        shown: what its user calls it, in messages.

    Raises:
        UserError: it is not there, of another version, damaged, or leads out of the folder.
    """
    try:
        content = _read(root)
    except ImportError as error:
        raise UserError(f"{shown}: {say_missing(root, error)}") from error
    except Exception as error:  # each protocol raises kinds of its own
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(
            f"{shown}: {INDEX} cannot be read ({reason}); give a folder made by stfw data pack"
        ) from error
    try:
        index = json.loads(content)
        version = index["version"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(f"{shown}: {INDEX} is damaged; pack again") from error
    if version != VERSION:
        raise UserError(
            f"{shown}: {INDEX} has version {version}, this stfw reads {VERSION}; pack "
            "again, or update stfw"
        )
    try:
        reason = _wrong_shards(index) or _wrong_samples(index)
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise UserError(f"{shown}: {INDEX} is damaged; pack again") from error
    if reason:
        raise UserError(f"{shown}: in {INDEX} {reason}; pack again")
    return index


def _read(root: str) -> bytes:
    if is_remote(root):
        system, inner = file_system(posixpath.join(root, INDEX))
        return system.cat_file(inner)
    return Path(root, INDEX).read_bytes()


def _wrong_shards(index: dict[str, Any]) -> str:
    """What is wrong with classes and shards; empty where nothing is."""
    if not all(isinstance(name, str) for name in index["classes"]):
        return "a class has no name"
    names = [shard["name"] for shard in index["shards"]]
    for number, shard in enumerate(index["shards"]):
        if not isinstance(shard["name"], str) or not _NAME.fullmatch(shard["name"]):
            return f"shard {number} is named {shard['name']!r}, which leads out of the folder"
        if type(shard["size"]) is not int or not isinstance(shard["sha256"], str):
            return f"{shard['name']} lacks a size or a checksum"
    return "" if len(set(names)) == len(names) else "a shard is named twice"


def _wrong_samples(index: dict[str, Any]) -> str:
    """What is wrong with the samples; empty where nothing is. Of 240,000: a fifth of a second."""
    sizes = np.array([shard["size"] for shard in index["shards"]], np.int64)
    for split in SPLITS:
        columns = index["samples"][split]
        ids = columns["video_id"]
        if any(len(columns[name]) != len(ids) for name in COLUMNS):
            return f"the columns of {split} have different lengths"
        if not ids:
            continue
        if not all(isinstance(video_id, str) for video_id in ids) or len(set(ids)) != len(ids):
            return f"a video_id of {split} stands twice or is no text"
        for name, kinds in _OPTIONAL.items():
            if not all(value is None or isinstance(value, kinds) for value in columns[name]):
                return f"a {name} of {split} is of the wrong kind"
        shards, offsets, lengths = (_integers(columns[name]) for name in COLUMNS[1:4])
        inside = (shards >= 0) & (shards < len(sizes)) & (offsets >= 0) & (lengths > 0)
        ends = sizes[np.where(inside, shards, 0)] if len(sizes) else np.zeros_like(offsets)
        inside &= offsets <= ends - lengths  # no sum that could overflow
        if not inside.all():
            return f"{ids[int(np.argmin(inside))]} lies outside its shard"
        if [] in columns["label"]:
            return f"a video of {split} has no label"
        several = (x if isinstance(x, list) else (x,) for x in columns["label"])
        labels = _integers([label for given in several for label in given])
        if labels.min() < 0 or labels.max() >= len(index["classes"]):
            return f"a label of {split} names none of the {len(index['classes'])} classes"
    return ""


def _integers(values: list[Any]) -> np.ndarray:
    array = np.array(values)
    if array.dtype.kind != "i":  # numbers with a point, text, null, or beyond 64 bits
        raise TypeError(array.dtype)
    return array.astype(np.int64)
