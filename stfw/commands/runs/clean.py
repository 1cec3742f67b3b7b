"""``stfw runs clean``: what can go, with its size; ``--yes`` deletes it."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stfw.commands.runs.select import FILTER_HELP, check_keys, in_order, read_words
from stfw.commands.runs.show import columns
from stfw.runs.entry import Entry, entries, find_entry
from stfw.runs.query import parse_query
from stfw.types import UserError

USAGE = f"""usage: stfw runs clean [<run> ... | filter ...] [what=runs|not_best|checkpoints]
                       [older=30d] [runs_dir=runs] [--yes] [--json]

says what would be deleted and how much that frees; --yes deletes it
what=runs         runs that failed, were interrupted or killed, or finished no epoch; finished ones
                  only where the filter asks for them by status: "status=finished and model=c3d"
what=not_best     checkpoints of finished runs beside best.ckpt
what=checkpoints  every checkpoint of finished runs
older=30d         only of runs that began longer ago (m, h, d, w)
A run that is at work is never touched, nor a folder that is no run.
{FILTER_HELP}"""
OPTIONS = {"what": "runs", "older": "", "runs_dir": "runs"}
KINDS = ("runs", "not_best", "checkpoints")
UNFINISHED = ("failed", "interrupted", "killed")
QUIET_SEC = 3600.0  # a run of unknown process that wrote nothing for so long is at work no more


@dataclass(frozen=True)
class Doomed:
    """What can be deleted of a run.

    Attributes:
        entry: the run.
        why: in a word or two.
        paths: files, or the run's folder.
        num_bytes: of them together.
    """

    entry: Entry
    why: str
    paths: tuple[Path, ...]
    num_bytes: int


def main(words: Sequence[str]) -> None:
    if {"-h", "--help"} & set(words):
        print(USAGE, end="")
        return
    given = read_words(words, OPTIONS, ("--yes", "--json"))
    what, runs_dir = given.options["what"], given.options["runs_dir"]
    if what not in KINDS:
        raise UserError(f"what={what}: there are {', '.join(KINDS)}")
    filters = [w for w in given.words if re.search(r"[=<>~]", w) and not Path(w).is_dir()]
    if age := given.options["older"]:
        if not re.fullmatch(r"[\d.]+[mhdw]", age):
            raise UserError(f"older={age}: write a number and m, h, d or w, as in older=30d")
        filters.append(f"age>{age}")
    named = [find_entry(word, runs_dir) for word in given.words if word not in filters]
    doomed = find_doomed(named, filters, what, runs_dir)
    if "--yes" in given.flags:
        for one in doomed:
            delete(one, Path(runs_dir).expanduser())
    total, num = size(sum(one.num_bytes for one in doomed)), len(doomed)
    if "--json" in given.flags:
        rows = [
            {"run": str(one.entry.path), "why": one.why, "num_bytes": one.num_bytes,
             "paths": list(map(str, one.paths)), "deleted": "--yes" in given.flags}
            for one in doomed
        ]  # fmt: skip
        print(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    if doomed:
        told = [[d.why, size(d.num_bytes), d.entry.date or "-", *_shown(d)] for d in doomed]
        print(columns(["why", "size", "date", "run", ""], told))
    of = {"runs": "runs", "not_best": "runs' other checkpoints", "checkpoints": "runs' checkpoints"}
    if not doomed:
        print("nothing to delete")
    elif "--yes" in given.flags:
        print(f"deleted {num} {of[what]}, {total}")
    else:
        print(f"would delete {num} {of[what]}, {total}; --yes does it")


def find_doomed(
    named: Sequence[Entry], filters: Sequence[str], what: str, runs_dir: str
) -> list[Doomed]:
    """What can be deleted, the oldest run first.

    Args:
        named: these runs only; empty: all below ``runs_dir``.
        filters: that a run has to pass.
        what: one of ``KINDS``.
        runs_dir: where runs are looked for.

    Raises:
        UserError: a filter that cannot be read, or a finished run that is named and not asked for.
    """
    queries = [parse_query(text) for text in filters]
    keys = {key for query in queries for key in query.keys}
    every = list(named) or list(entries(runs_dir))
    if every:
        check_keys(sorted(keys), every)
    found = []
    for entry in in_order(every, "date"):
        if not all(query.test(entry.value) for query in queries):
            continue
        if is_at_work(entry):
            if entry in named:
                raise UserError(f"{entry.value('run')}: this run is at work")
            continue
        asked = "status" in keys
        if what != "runs":
            if asked or entry.status == "finished":
                found += _checkpoints(entry, what)
        elif asked or entry.status in UNFINISHED or entry.is_empty:
            empty = " and empty" if entry.is_empty else ""
            paths = (entry.path,)
            found.append(Doomed(entry, f"{entry.status}{empty}", paths, _num_bytes(paths)))
        elif entry in named:
            raise UserError(
                f"{entry.value('run')}: this run is {entry.status}; to delete it all the same, "
                f"add the filter status={entry.status}"
            )
    return found


def is_at_work(entry: Entry) -> bool:
    """Whether a run may still be running: its process is there, or it wrote something of late."""
    if entry.status != "running":
        return False
    process = entry.record.get("process") or {}
    return entry.is_alive(process) or time.time() - _last_written(entry.path) < QUIET_SEC


def delete(one: Doomed, runs_dir: Path) -> None:
    """Deletes files, or a run's folder; ``run.json`` goes last, so that a rest is still a run.

    Args:
        one: what to delete.
        runs_dir: kept, however empty it becomes.

    Raises:
        UserError: the folder is no run any more, or cannot be deleted.
    """
    record = one.entry.path / "run.json"
    if not record.is_file() or one.entry.path.is_symlink():
        raise UserError(f"{one.entry.path}: this folder is no run any more; nothing of it deleted")
    try:
        for path in one.paths:
            if path != one.entry.path:
                path.unlink(missing_ok=True)
                continue
            for inner in path.iterdir():
                if inner.is_dir() and not inner.is_symlink():
                    shutil.rmtree(inner)
                elif inner != record:
                    inner.unlink()
            record.unlink()
            path.rmdir()
            if path.parent != runs_dir and not any(path.parent.iterdir()):  # the last of its name
                path.parent.rmdir()
    except OSError as error:
        raise UserError(f"{error.filename}: cannot be deleted ({error.strerror})") from error


def size(num_bytes: int) -> str:
    """``1.2 GB``."""
    value = float(num_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def _checkpoints(entry: Entry, what: str) -> list[Doomed]:
    files = sorted(p for p in (entry.path / "checkpoints").glob("*") if p.is_file())
    best = entry.path / "checkpoints" / "best.ckpt"
    if what == "not_best":
        if not best.is_file():
            return []  # the last one is all there is
        files = [path for path in files if not path.name.startswith("best.ckpt")]
    paths = tuple(files)
    return [Doomed(entry, what.replace("_", " "), paths, _num_bytes(paths))] if paths else []


def _shown(one: Doomed) -> list[str]:
    names = [path.name for path in one.paths if path.suffix == ".ckpt"]
    return [str(one.entry.value("run")), ", ".join(names)]


def _num_bytes(paths: Sequence[Path]) -> int:
    files = [f for path in paths for f in (path.rglob("*") if path.is_dir() else [path])]
    return sum(file.lstat().st_size for file in files if not file.is_dir())


def _last_written(path: Path) -> float:
    inner = (path, *path.glob("*"), *(path / "checkpoints").glob("*"))
    return max(file.stat().st_mtime for file in inner if file.exists())
