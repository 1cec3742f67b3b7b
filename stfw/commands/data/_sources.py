"""What the data tools share: their arguments, the data set they work on, and parallel work."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection
from pathlib import Path
from typing import Any, TypeVar

from stfw.types import Record, UserError

Job = TypeVar("Job")
Result = TypeVar("Result")
_NOTHING = object()


def split_words(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """A tool's own arguments, and the overrides that name a data set.

    Overrides stand after ``--``; without it, they are the words of the form ``key=value`` that are
    no options and no existing files.
    """
    if "--" in words:
        at = list(words).index("--")
        return list(words[:at]), list(words[at + 1 :])
    is_override = [
        "=" in word and not word.startswith("-") and not os.path.exists(word) for word in words
    ]
    own = [word for word, override in zip(words, is_override, strict=True) if not override]
    return own, [word for word, override in zip(words, is_override, strict=True) if override]


def open_reader(overrides: Sequence[str]) -> tuple[Any, Any]:
    """The composed config and its reader.

    Raises:
        UserError: a mistake in the overrides, or data that are not there.
    """
    from stfw.assemble import LOADER_KEYS, check
    from stfw.build import Build
    from stfw.config import compose

    cfg = compose("train", list(overrides)).cfg
    check(cfg)
    return cfg, Build()(cfg.data, skip=LOADER_KEYS)


def records_by_split(reader: Any) -> dict[str, list[Record]]:
    """The records of every split."""
    return {split: reader.records(split) for split in ("train", "val", "test")}


def distinct_videos(reader: Any) -> list[Record]:
    """One record per file, in order of path; parts of one file count once."""
    found: dict[tuple[str, Any], Record] = {}
    for records in records_by_split(reader).values():
        for record in records:
            found.setdefault((record.path, record.span), record)
    return [found[key] for key in sorted(found, key=str)]


def add_workers(parser: argparse.ArgumentParser) -> None:
    """The option ``--workers``."""
    parser.add_argument(
        "--workers", type=int, default=None, help="processes; default: one per core"
    )


def parallel(
    function: Callable[[Job], Result], jobs: Iterable[Job], workers: int | None, title: str
) -> Iterator[tuple[Job, Result]]:
    """Results as they come, with a progress bar on a terminal and some lines elsewhere.

    Args:
        function: of a module, so that it can travel to another process.
        jobs: what it is called with.
        workers: processes; None: one per core. 1 works in this process.
        title: of the progress bar.

    Yields:
        A job and its result.

    Raises:
        UserError: a process died, for lack of memory or of a fault in a decoder.
    """
    todo = list(jobs)
    if workers is not None and workers < 1:
        raise UserError(f"--workers {workers} is below 1")
    count = min(workers or _num_cores(), max(1, len(todo)))
    results = _here(function, todo) if count == 1 else _spread(function, todo, count)
    yield from _shown(results, len(todo), title)


def _num_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _here(function: Callable[[Job], Result], jobs: list[Job]) -> Iterator[tuple[Job, Result]]:
    for job in jobs:
        yield job, function(job)


def _spread(
    function: Callable[[Job], Result], jobs: list[Job], workers: int
) -> Iterator[tuple[Job, Result]]:
    context = multiprocessing.get_context("spawn")  # threads of libraries do not survive a fork
    waiting = iter(jobs)
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_follow_parent) as pool:
        running: dict[Future[Result], Job] = {}
        try:
            while True:
                while len(running) < 2 * workers:  # a queue of a million jobs is not needed
                    job: Any = next(waiting, _NOTHING)
                    if job is _NOTHING:
                        break
                    running[pool.submit(function, job)] = job
                if not running:
                    return
                for done in wait(running, return_when=FIRST_COMPLETED).done:
                    result = done.result()
                    yield running.pop(done), result
        except BaseException as error:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in list((pool._processes or {}).values()):
                process.terminate()
            if isinstance(error, BrokenProcessPool):
                at_work = ", ".join(str(getattr(job, "path", job)) for job in running.values())
                raise UserError(
                    f"a process died while these were at work: {at_work}; --workers 1 shows which "
                    "one it is"
                ) from error
            raise


def _follow_parent() -> None:
    """Leaves Ctrl-C to the parent, and ends this process when the parent is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _shown(results: Iterator[Result], total: int, title: str) -> Iterator[Result]:
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import track

        yield from track(results, title, total, console=Console(stderr=True))
        return
    said = 0
    for number, result in enumerate(results, start=1):
        if total >= 20 and number * 10 // total > said:
            said = number * 10 // total
            print(f"{title}: {number} of {total}", file=sys.stderr, flush=True)
        yield result


def output_folder(text: str) -> Path:
    """An output folder, made where it is missing.

    Raises:
        UserError: it is a file, or may not be written.
    """
    folder = Path(text).expanduser().absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{text}: cannot be made a folder ({error.strerror})") from error
    if not os.access(folder, os.W_OK):
        raise UserError(f"{text}: may not be written; choose another folder")
    return folder


def write_whole(path: Path, text: str) -> None:
    """Writes beside the target and renames: a file is there whole or not at all."""
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)
