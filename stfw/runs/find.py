"""From what a person types (a run folder, a checkpoint, ``auto``) to a checkpoint file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from stfw.runs.checkpoint_io import damage
from stfw.types import UserError, nearest


def find_checkpoint(where: str, prefer: str = "best") -> Path:
    """The checkpoint that ``where`` names: a file, or a run folder's best (or last) one.

    Raises:
        UserError: nothing there, or only damaged files.
    """
    path = Path(where).expanduser()
    if path.is_file():
        if (problem := damage(path)) is not None:
            raise UserError(f"{path}: {problem}; use another checkpoint of the run")
        return path
    if not path.is_dir():
        siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        raise UserError(
            f"{where}: there is no such run or checkpoint{nearest(path.name, siblings)}"
        )
    names = (prefer, "last" if prefer == "best" else "best")
    files = [path / "checkpoints" / f"{name}.ckpt" for name in names]
    there = [file for file in files if file.is_file()]
    if not there:
        raise UserError(f"{where}: there is no checkpoint in this folder (looked for {files[0]})")
    for file in there:
        if (problem := damage(file)) is None:
            return file
        print(f"warning: {file}: {problem}; trying the next one")
    raise UserError(f"{where}: every checkpoint of this run is damaged")


def find_resume(runs_dir: str, name: str, output_dir: str | None, fingerprint: str) -> Path | None:
    """``resume=auto``: the run folder to go on with, or None to start afresh.

    That is ``output_dir`` where it holds a run, else the newest unfinished run of the same name
    and the same configuration that has a checkpoint which verifies.
    """
    if output_dir is not None:
        folder = Path(output_dir).expanduser()
        return folder if (folder / "run.json").is_file() else None
    root = Path(runs_dir).expanduser() / name
    folders = sorted((p for p in root.glob("*") if p.is_dir()), key=lambda p: p.name, reverse=True)
    for folder in folders:
        record = _record(folder)
        if record.get("config_fingerprint") != fingerprint or record.get("status") == "finished":
            continue
        last = folder / "checkpoints" / "last.ckpt"
        best = folder / "checkpoints" / "best.ckpt"
        if any(file.is_file() and damage(file) is None for file in (last, best)):
            return folder
    return None


def _record(folder: Path) -> dict[str, Any]:
    try:
        return json.loads((folder / "run.json").read_text())
    except (OSError, ValueError):
        return {}
