"""Starts ``stfw train`` several times, each as a process of its own with its share of the cores."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

POLL_SEC = 0.2
TRAIN = (sys.executable, "-m", "stfw.cli", "train")
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


@dataclass(frozen=True)
class Job:
    """A run to start.

    Attributes:
        name: of its log: letters, digits, ``_`` and ``-``.
        overrides: of ``stfw train``.
    """

    name: str
    overrides: Sequence[str]


def run_all(
    jobs: Iterable[Job],
    at_a_time: int,
    logs: Path,
    ended: Callable[[Job, int, Path], None],
) -> None:
    """Runs jobs; calls ``ended(job, exit status, log)`` after each.

    When this process ends, however it does, so do they.

    Args:
        jobs: taken one by one, when a place is free.
        at_a_time: at least 1.
        logs: folder of their output, ``<name>.log``.
        ended: called in this process.
    """
    waiting, running = iter(jobs), dict[int, tuple[Job, subprocess.Popen[bytes], Path]]()
    logs.mkdir(parents=True, exist_ok=True)
    shares = core_shares(at_a_time)
    try:
        while True:
            for slot in range(at_a_time):
                if slot not in running and (job := next(waiting, None)) is not None:
                    log = logs / f"{job.name}.log"
                    running[slot] = (job, start([*TRAIN, *job.overrides], log, shares[slot]), log)
            if not running:
                return
            time.sleep(POLL_SEC)
            for slot, (job, process, log) in list(running.items()):
                status = process.poll()
                if status is not None:
                    del running[slot]
                    ended(job, status, log)
    finally:
        for _, process, _ in running.values():
            process.send_signal(signal.SIGTERM)
        for _, process, _ in running.values():
            process.wait()


def core_shares(jobs: int) -> list[set[int]]:
    """The cores of each of ``jobs`` places; empty sets where they cannot be shared out."""
    if not hasattr(os, "sched_getaffinity"):
        return [set() for _ in range(jobs)]
    cores = sorted(os.sched_getaffinity(0))
    return [set(cores[slot::jobs]) or {cores[slot % len(cores)]} for slot in range(jobs)]


def last_lines(log: Path, count: int = 3) -> str:
    """The end of a log, where it says why a run failed."""
    try:
        lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    except OSError:
        return ""
    return "\n".join(lines[-count:])


def start(
    command: Sequence[str], log: Path, cores: set[int], keep_open: Sequence[int] = ()
) -> subprocess.Popen[bytes]:
    """Starts a process that ends with this one.

    Args:
        command: its words.
        log: file that its output is added to.
        cores: that it may use; empty: all.
        keep_open: file descriptors that it inherits.
    """
    libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None

    def prepare() -> None:  # in the child, before it becomes the run
        if libc is not None:
            libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if cores and hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, cores)

    with log.open("ab") as stream:
        return subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            preexec_fn=prepare,
            pass_fds=keep_open,
        )
