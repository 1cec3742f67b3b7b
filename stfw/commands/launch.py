"""Jobs: what a launcher runs, each ``stfw train`` in a process of its own."""

from __future__ import annotations

import ctypes
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

from stfw.redact import redact_override

POLL_SEC = 0.2
TRAIN = (sys.executable, "-m", "stfw.cli", "train")
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


@dataclass(frozen=True)
class Job:
    """A run to start.

    Attributes:
        name: of its log: letters, digits, ``_`` and ``-``.
        overrides: of ``stfw train``.
        label: what a person calls it; empty: its name.
        num_nodes: machines that its trainer wants.
        num_devices: processes that its trainer wants on each of them.
        has_gpu: whether its trainer wants a GPU.
    """

    name: str
    overrides: Sequence[str]
    label: str = ""
    num_nodes: int = 1
    num_devices: int = 1
    has_gpu: bool = False

    def __str__(self) -> str:
        return self.label or self.name

    def log(self, logs: Path) -> Path:
        """Its output, in the folder of the logs."""
        return logs / f"{self.name}.log"


class Launcher(Protocol):
    """Where jobs run. Their logs and runs lie on a disk that this process sees too.

    Attributes:
        library: what must be installed, and the extra of stfw that brings it.
    """

    library: ClassVar[tuple[str, str] | None]

    def run(
        self, jobs: Sequence[Job], logs: Path, at_a_time: int | None
    ) -> Generator[tuple[Job, int], None, None]:
        """Runs jobs; gives each with its exit status as it ends. Closed early, it ends them.

        Args:
            jobs: in this order.
            logs: folder of their output, ``<name>.log``; it exists.
            at_a_time: at least 1; None: the launcher's own number.
        """
        ...


def run_job(
    overrides: Sequence[str],
    log: Path,
    folder: str | None = None,
    environment: Mapping[str, str] | None = None,
    cores: frozenset[int] = frozenset(),
) -> int:
    """One job from begin to end, in whatever process a launcher has sent it to.

    Args:
        overrides: of ``stfw train``.
        log: file that its output is added to; SLURM's further tasks have one beside it.
        folder: to run in.
        environment: variables that are set besides.
        cores: that it may use; empty: all.

    Returns:
        Exit status.
    """
    rank = os.environ.get("SLURM_PROCID", "0")
    if rank != "0":
        log = log.with_suffix(f".{rank}.log")
    return start_job(overrides, log, cores, folder, environment).wait()


def start_job(
    overrides: Sequence[str],
    log: Path,
    cores: frozenset[int] = frozenset(),
    folder: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Starts a job; its log begins with its command. See ``run_job``."""
    with log.open("a") as stream:
        stream.write(f"$ stfw train {shlex.join(map(redact_override, overrides))}\n")
    return start([*TRAIN, *overrides], log, set(cores), (), folder, environment)


def shared_environment() -> dict[str, str]:
    """The variables of stfw, for processes on other machines."""
    return {name: value for name, value in os.environ.items() if name.startswith("STFW_")}


def on_its_own() -> dict[str, str]:
    """Variables of a job that is none of the tasks of the SLURM job which this process is in."""
    return {"SLURM_NTASKS": "1"} if "SLURM_NTASKS" in os.environ else {}


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
    command: Sequence[str],
    log: Path,
    cores: set[int],
    keep_open: Sequence[int] = (),
    folder: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Starts a process that ends with this one.

    Args:
        command: its words.
        log: file that its output is added to.
        cores: that it may use; empty: all.
        keep_open: file descriptors that it inherits.
        folder: to run in; None: this process's.
        environment: variables that are set besides this process's.
    """
    libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None

    def prepare() -> None:  # in the child, before it becomes the run
        signal.signal(signal.SIGUSR2, signal.SIG_IGN)  # SLURM's warning is for who started it
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
            cwd=folder,
            env={**os.environ, **(environment or {})},
        )
