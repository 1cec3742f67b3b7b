"""Checkpoints that survive a kill: written beside the target, fsynced, verified, renamed.

Beside ``best.ckpt`` stands ``best.ckpt.sha256`` with the digests under which the file is good.
While a checkpoint is replaced it names the old and the new one, so that a kill between the two
renames leaves a file that verifies either way.
"""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.plugins.io import CheckpointIO

from stfw.types import UserError

PART = ".part"


class SafeCheckpointIO(CheckpointIO):
    """What Lightning's trainer saves and loads through."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any = None
    ) -> None:
        save(checkpoint, Path(path))

    def load_checkpoint(
        self,
        path: str | os.PathLike[str],
        map_location: Any = lambda storage, location: storage,
        weights_only: bool | None = None,
    ) -> dict[str, Any]:
        return load(Path(path), map_location)

    def remove_checkpoint(self, path: str | os.PathLike[str]) -> None:
        for name in (Path(path), digest_path(Path(path))):
            name.unlink(missing_ok=True)


def save(checkpoint: dict[str, Any], path: Path) -> None:
    """Writes a checkpoint so that at any moment either the old or the new one stands whole.

    Raises:
        UserError: it cannot be written; what stood there before is untouched.
    """
    part = path.with_name(f"{path.name}.{os.getpid()}{PART}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            torch.save(checkpoint, file)
            file.flush()
            os.fsync(file.fileno())
        digest = file_digest(part)
        good = read_digests(path)
        _write_digests(path, [*good, digest])
        os.replace(part, path)
        _write_digests(path, [digest])
        _fsync_folder(path.parent)
    except (OSError, RuntimeError) as error:
        part.unlink(missing_ok=True)
        raise UserError(f"{path}: the checkpoint cannot be written: {error}") from error


def load(path: Path, map_location: Any = "cpu") -> dict[str, Any]:
    """Reads a checkpoint, after its digest, with ``weights_only=True``.

    Raises:
        UserError: no such file, damaged, or holding anything but plain data.
    """
    if not path.is_file():
        raise UserError(f"{path}: there is no such checkpoint")
    if (problem := damage(path)) is not None:
        raise UserError(f"{path}: {problem}; use another checkpoint of the run")
    try:
        return torch.load(path, map_location=map_location, weights_only=True)
    except Exception as error:  # a zip, pickle or storage error, by the kind of damage
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UserError(f"{path}: not a checkpoint that can be trusted: {reason[:200]}") from error


def damage(path: Path) -> str | None:
    """What is wrong with a checkpoint file, or None; a file without digests is believed."""
    good = read_digests(path)
    if path.stat().st_size == 0:
        return "the file is empty"
    if good and file_digest(path) not in good:
        return "the file does not match its checksum"
    if not good:
        with path.open("rb") as file:
            if file.read(2) not in (b"PK", b"\x80\x02"):
                return "the file is no checkpoint"
    return None


def read_digests(path: Path) -> list[str]:
    """Digests under which a checkpoint is good; empty where none are kept."""
    name = digest_path(path)
    return [line.split()[0] for line in name.read_text().splitlines()] if name.is_file() else []


def digest_path(path: Path) -> Path:
    """``best.ckpt`` -> ``best.ckpt.sha256``."""
    return path.with_name(path.name + ".sha256")


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(io.DEFAULT_BUFFER_SIZE * 128):
            digest.update(chunk)
    return digest.hexdigest()


def _write_digests(path: Path, digests: list[str]) -> None:
    target = digest_path(path)
    part = target.with_name(f"{target.name}.{os.getpid()}{PART}")
    with part.open("w") as file:
        file.writelines(f"{digest}  {path.name}\n" for digest in digests)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, target)


def _fsync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
