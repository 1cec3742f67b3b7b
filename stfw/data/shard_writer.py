"""Writing tar shards that any WebDataset tool can read, with an index."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stfw.data.shards import COLUMNS, INDEX, SPLITS, VERSION
from stfw.types import Record, Split, UserError


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
        UserError: a record that cannot be packed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    by_split = {split: reader.records(split) for split in SPLITS}
    plans = list(plan_shards(by_split, reader.classes, folder, max_bytes))
    for part in folder.glob("*.part"):
        part.unlink()
    for _ in run(write_shard, [plan for plan in plans if not stands(plan)]):
        pass
    manifests = [json.loads(plan.manifest.read_text()) for plan in plans]
    samples: dict[str, list[list[Any]]] = {split: [] for split in SPLITS}
    for number, (plan, manifest) in enumerate(zip(plans, manifests, strict=True)):
        for record, (offset, size) in zip(plan.records, manifest["spans"], strict=True):
            values = {**asdict(record), "shard": number, "offset": offset, "size": size}
            samples[plan.split].append([values[column] for column in COLUMNS])
    index = {
        "version": VERSION,
        "classes": list(reader.classes),
        "shards": [
            {"name": Path(plan.path).name, "size": m["size"], "sha256": m["sha256"]}
            for plan, m in zip(plans, manifests, strict=True)
        ],
        "columns": list(COLUMNS),
        "samples": samples,
    }
    _write_whole(folder / INDEX, json.dumps(index, ensure_ascii=False).encode())
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
    spans = []
    try:
        with part.open("wb") as file:
            with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as tar:
                for nth, record in enumerate(plan.records):
                    content = Path(record.path).read_bytes()
                    key = f"{plan.split}_{plan.first + nth:08d}"
                    suffix = Path(record.path).suffix.lower() or ".mp4"
                    _add(tar, key + suffix, content)
                    spans.append((tar.offset - _blocks(len(content)), len(content)))
                    labels = ",".join(map(str, record.labels))
                    _add(tar, f"{key}.cls", labels.encode())
                    _add(tar, f"{key}.json", _described(record, plan.classes))
            file.flush()
            os.fsync(file.fileno())
        content_hash = _sha256(part)
        size = part.stat().st_size
        os.replace(part, plan.path)
    except OSError as error:
        part.unlink(missing_ok=True)
        where = error.filename or plan.path
        raise UserError(
            f"{where}: {error.strerror}; {Path(plan.path).name} is not written"
        ) from error
    manifest = {"samples": _fingerprint(plan), "size": size, "sha256": content_hash, "spans": spans}
    _write_whole(plan.manifest, json.dumps(manifest).encode())


def stands(plan: ShardPlan) -> bool:
    """Whether a shard has been written, of just these videos."""
    try:
        manifest = json.loads(plan.manifest.read_text())
        size = os.path.getsize(plan.path)
    except (OSError, ValueError):
        return False
    return bool(manifest.get("samples") == _fingerprint(plan) and manifest.get("size") == size)


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
    if "%" in os.path.basename(record.path) and not os.path.isfile(record.path):
        raise UserError(
            f"{record.path}: folders of pictures are not packed; make videos of them first"
        )
    if record.span is not None:
        raise UserError(f"{record.video_id} lies in a shard already: copy the shards instead")
    try:
        return os.path.getsize(record.path)
    except OSError as error:
        raise UserError(f"{record.path}: {error.strerror}; see stfw data scan") from error


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)  # time, owner and mode are the same for everyone
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


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
    return json.dumps(told, ensure_ascii=False).encode()


def _fingerprint(plan: ShardPlan) -> str:
    """Of what goes into a shard: names, labels, sizes and times of the files."""
    told = [
        [r.video_id, r.labels, r.start_sec, r.end_sec, r.group, *_state(r.path)]
        for r in plan.records
    ]
    return hashlib.sha256(json.dumps([told, plan.classes]).encode()).hexdigest()


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
