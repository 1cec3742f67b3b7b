"""Writing tar shards that any WebDataset tool can read, with an index."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import tarfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from stfw.data.shard_index import COLUMNS, INDEX, SPLITS, VERSION
from stfw.types import Record, Split, UserError
from stfw.video.images import is_pattern

_PART = re.compile(r"(index\.json|(train|val|test)-\d{5,}\.(tar|json))\.part")


@dataclass(frozen=True)
class ShardPlan:
    """One shard to write.

    Attributes:
        path: the tar file.
        split: whose videos it holds.
        first: number of its first sample within the split.
        records: its samples.
        classes: class names.
    """

    path: str
    split: Split
    first: int
    records: tuple[Record, ...]
    classes: tuple[str, ...]

    @property
    def manifest(self) -> Path:
        """Beside the shard; it stands when the shard does."""
        return Path(self.path).with_suffix(".json")


Run = Callable[[Callable[[ShardPlan], Any], Sequence[ShardPlan]], Iterable[Any]]


def write_shards(
    reader: Any, folder: Path, max_bytes: int, run: Run = lambda function, jobs: map(function, jobs)
) -> dict[str, Any]:
    """Packs all splits of a data set.

    Shards appear under their names when they are whole, each with a manifest; those that stand are
    kept. The index is written last. Equal videos give equal bytes.

    Args:
        reader: the data set.
        folder: where the shards go.
        max_bytes: of videos per shard; a larger video has a shard of its own.
        run: calls a function for every shard, perhaps in several processes.

    Returns:
        The index.

    Raises:
        UserError: a record that cannot be packed, or a folder with shards of another packing.
        OSError: the disk is full, or the folder may not be written.
    """
    by_split = {split: reader.records(split) for split in SPLITS}
    plans = list(plan_shards(by_split, reader.classes, folder, max_bytes))
    folder.mkdir(parents=True, exist_ok=True)
    _clear(folder, plans)
    todo = [plan for plan in plans if not stands(plan)]
    if todo:  # an index of an earlier packing would lead into shards that change
        (folder / INDEX).unlink(missing_ok=True)
    for _ in run(write_shard, todo):
        pass
    manifests = [json.loads(plan.manifest.read_text()) for plan in plans]
    samples: dict[str, dict[str, list[Any]]] = {
        split: {column: [] for column in COLUMNS} for split in SPLITS
    }
    for number, (plan, manifest) in enumerate(zip(plans, manifests, strict=True)):
        columns = samples[plan.split]
        for record, (offset, size) in zip(plan.records, manifest["spans"], strict=True):
            where = {"shard": number, "offset": offset, "size": size}
            for name, values in columns.items():
                values.append(where[name] if name in where else getattr(record, name))
    index = {
        "version": VERSION,
        "classes": list(reader.classes),
        "shards": [
            {"name": Path(plan.path).name, "size": m["size"], "sha256": m["sha256"]}
            for plan, m in zip(plans, manifests, strict=True)
        ],
        "samples": samples,
    }
    _write_whole(folder / INDEX, json.dumps(index).encode())
    return index


def plan_shards(
    by_split: dict[Split, list[Record]], classes: Sequence[str], folder: Path, max_bytes: int
) -> Iterator[ShardPlan]:
    """Which videos go into which shard: in order, up to ``max_bytes``."""
    for split, records in by_split.items():
        held: list[Record] = []
        size, number, first = 0, 0, 0
        for record in records:
            bytes_of = _size(record)
            if held and size + bytes_of > max_bytes:
                yield _plan(folder, split, number, first, held, classes)
                number, first, held, size = number + 1, first + len(held), [], 0
            held.append(record)
            size += bytes_of
        if held:
            yield _plan(folder, split, number, first, held, classes)


def write_shard(plan: ShardPlan) -> None:
    """Writes one shard and its manifest.

    Of every sample there are ``<key>.<suffix>``, the video as it is, ``<key>.cls``, its class
    number (several: joined by ``,``), and ``<key>.json``, what else is known of it.
    """
    part = Path(plan.path + ".part")
    fingerprint = _fingerprint(plan)  # of the files before they are read: a change is met again
    spans = []
    try:
        with part.open("wb") as file:
            # PAX differs from USTAR only where a file is too large for that
            with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
                for nth, record in enumerate(plan.records):
                    key = f"{plan.split}_{plan.first + nth:08d}"
                    with open(record.path, "rb") as video:
                        size = os.fstat(video.fileno()).st_size
                        _add(tar, key + _suffix(record), size, video)
                    spans.append((tar.offset - _blocks(size), size))
                    labels = ",".join(map(str, record.labels)).encode()
                    _add(tar, f"{key}.cls", len(labels), io.BytesIO(labels))
                    told = _described(record, plan.classes)
                    _add(tar, f"{key}.json", len(told), io.BytesIO(told))
            file.flush()
            os.fsync(file.fileno())
        manifest = {
            "samples": fingerprint,
            "size": part.stat().st_size,
            "sha256": _sha256(part),
            "spans": spans,
        }
        plan.manifest.unlink(missing_ok=True)  # of what stood here before
        os.replace(part, plan.path)
    except OSError:
        part.unlink(missing_ok=True)
        raise
    _write_whole(plan.manifest, json.dumps(manifest).encode())


def stands(plan: ShardPlan) -> bool:
    """Whether a shard has been written, of just these videos."""
    try:
        manifest = json.loads(plan.manifest.read_text())
        size = os.path.getsize(plan.path)
    except (OSError, ValueError):
        return False
    return bool(manifest.get("samples") == _fingerprint(plan) and manifest.get("size") == size)


def _clear(folder: Path, plans: Sequence[ShardPlan]) -> None:
    """Removes what an interrupted packing left half-written.

    Raises:
        UserError: the folder holds shards that would be none of this packing's; tools that take
            all tar files of a folder would read their videos as well.
    """
    expected = {Path(plan.path).name for plan in plans}
    others = [path.name for path in sorted(folder.glob("*.tar")) if path.name not in expected]
    if others:
        more = f" and {len(others) - 1} more" if len(others) > 1 else ""
        raise UserError(
            f"{folder} holds {others[0]}{more}, of another packing; remove what is there, or "
            "choose another folder"
        )
    for path in folder.iterdir():
        if _PART.fullmatch(path.name):
            path.unlink()


def _plan(
    folder: Path,
    split: Split,
    number: int,
    first: int,
    records: Sequence[Record],
    classes: Sequence[str],
) -> ShardPlan:
    path = str(folder / f"{split}-{number:05d}.tar")
    return ShardPlan(path, split, first, tuple(records), tuple(classes))


def _size(record: Record) -> int:
    if is_pattern(record.path) and not os.path.isfile(record.path):
        raise UserError(
            f"{record.path}: folders of pictures are not packed; make videos of them first"
        )
    if record.span is not None:
        raise UserError(f"{record.video_id} lies in a shard already: copy the shards instead")
    try:
        return os.path.getsize(record.path)
    except OSError as error:
        raise UserError(f"{record.path}: {error.strerror}; see stfw data scan") from error


def _suffix(record: Record) -> str:
    return Path(record.path).suffix.lower() or ".mp4"


def _add(tar: tarfile.TarFile, name: str, size: int, content: BinaryIO) -> None:
    member = tarfile.TarInfo(name)  # time, owner and mode are the same for everyone
    member.size = size
    tar.addfile(member, content)


def _blocks(size: int) -> int:
    """Bytes that a member's content takes in a tar file."""
    return -(-size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE


def _described(record: Record, classes: Sequence[str]) -> bytes:
    told = {
        "video_id": record.video_id,
        "classes": [classes[label] for label in record.labels],
        "start_sec": record.start_sec,
        "end_sec": record.end_sec,
        "group": record.group,
    }
    return json.dumps(told).encode()  # names that are no UTF-8 travel as escapes


def _fingerprint(plan: ShardPlan) -> str:
    """Of what goes into a shard: keys, names, labels, sizes and times of the files."""
    told = [
        [r.video_id, r.labels, r.start_sec, r.end_sec, r.group, _suffix(r), *_state(r.path)]
        for r in plan.records
    ]
    return hashlib.sha256(json.dumps([plan.first, told, plan.classes]).encode()).hexdigest()


def _state(path: str) -> tuple[int, int]:
    status = os.stat(path)
    return status.st_size, status.st_mtime_ns


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _write_whole(path: Path, content: bytes) -> None:
    part = path.with_name(path.name + ".part")
    part.write_bytes(content)
    os.replace(part, path)
