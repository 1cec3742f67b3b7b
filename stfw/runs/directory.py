"""The folder of a run and its ``run.json``."""

from __future__ import annotations

import json
import os
import platform
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from stfw.redact import redact, redact_override
from stfw.runs import fingerprint
from stfw.types import UserError

GROUP = "STFW_GROUP"  # what a sweep, a table or a multirun calls the runs that it starts

# worth knowing when two runs differ
PACKAGES = (
    "stfw",
    "torch",
    "torchvision",
    "pytorch-lightning",
    "torchmetrics",
    "timm",
    "hydra-core",
    "omegaconf",
    "av",
    "numpy",
)


class RunDir:
    """A run on disk. ``run.json`` is rewritten whole, beside and renamed, at every change."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def record_path(self) -> Path:
        return self.path / "run.json"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    def read(self) -> dict[str, Any]:
        """The record; empty where there is none yet.

        Raises:
            UserError: the file is damaged.
        """
        if not self.record_path.is_file():
            return {}
        try:
            return json.loads(self.record_path.read_text())
        except ValueError as error:
            raise UserError(f"{self.record_path}: damaged ({error}); delete it to go on") from error

    def update(self, **values: Any) -> None:
        """Sets keys of the record, without secrets; mappings are merged one level deep."""
        record = self.read()
        for key, value in redact(values, by_name=False).items():  # names may be of classes
            if isinstance(value, dict) and isinstance(record.get(key), dict):
                record[key] = {**record[key], **value}
            else:
                record[key] = value
        write_text(self.record_path, json.dumps(record, indent=2, ensure_ascii=False) + "\n")

    def silent_sec(self) -> float:
        """Seconds since the last record, row of metrics or checkpoint; 0 where there is none."""
        signs = [self.record_path, self.path / "metrics.csv", self.checkpoints / "last.ckpt"]
        times = [path.stat().st_mtime for path in signs if path.is_file()]
        return max(0.0, time.time() - max(times)) if times else 0.0


def create(runs_dir: str, name: str, output_dir: str | None) -> RunDir:
    """Makes the folder of a new run: ``output_dir``, or ``runs_dir/name/<time>-<id>``.

    Raises:
        UserError: ``output_dir`` holds a run already, or the folder cannot be written.
    """
    if output_dir is not None:
        path = Path(output_dir).expanduser()
        if (path / "run.json").exists():
            raise UserError(
                f"output_dir={output_dir} holds a run already; choose another folder, "
                "or go on with that run: resume=auto"
            )
    else:
        stamp = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
        path = Path(runs_dir).expanduser() / name / f"{stamp}-{secrets.token_hex(3)}"
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = path / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise UserError(
            f"{path}: the run's folder cannot be written ({error.strerror}); "
            "choose another with output_dir=..."
        ) from error
    return RunDir(path.resolve())


def environment() -> dict[str, Any]:
    """Versions, machine and git state, for ``run.json``."""
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return {
        "versions": versions,
        "machine": {
            "system": f"{platform.system()} {platform.release()}",
            "processor": platform.machine(),
            "cores": os.cpu_count(),
        },
        "git": _git(),
        "code_fingerprint": fingerprint.of_code(),
    }


def this_process() -> dict[str, Any]:
    """Where a run is at work, to tell later whether it still is."""
    return {"host": platform.node(), "pid": os.getpid()}


@contextmanager
def in_group(name: str) -> Iterator[None]:
    """Within, the runs that are started say that they belong together, in whatever process.

    ``STFW_GROUP``, where it is set already, stays: it names the larger group.
    """
    if os.environ.get(GROUP):
        yield
        return
    os.environ[GROUP] = name
    try:
        yield
    finally:
        del os.environ[GROUP]


def write_text(path: Path, text: str) -> None:
    """Writes a text file whole or not at all."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)


def command_line() -> str:
    """The command that was typed, quoted for a shell; secrets are struck out."""
    import shlex

    return shlex.join(["stfw", *map(redact_override, sys.argv[1:])])


def _git() -> dict[str, Any]:
    """Commit and state of the folder the code is in; empty outside a checkout."""

    def ask(*words: str) -> str | None:
        try:
            found = subprocess.run(
                ["git", *words],
                cwd=Path(__file__).parent,
                capture_output=True,
                text=True,
                timeout=10,
                check=True,
            )
        except (OSError, subprocess.SubprocessError):
            return None
        return found.stdout.strip()

    commit = ask("rev-parse", "HEAD")
    if commit is None:
        return {}
    return {"commit": commit, "dirty": bool(ask("status", "--porcelain", "--untracked-files=no"))}
