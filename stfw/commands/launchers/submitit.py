"""``launcher=submitit``: SLURM jobs, or with ``cluster: local`` the same without SLURM."""

from __future__ import annotations

import itertools
import os
import signal
import time
from collections.abc import Generator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from stfw.commands.launch import Job, core_shares, run_job
from stfw.commands.launchers.local import num_gpus

POLL_SEC = 1.0


class Submitit:
    """Jobs are submitted as an array. Closed early, it cancels them.

    Killed, it leaves them: started again with the same folder of logs, it takes up those that the
    cluster still has.

    Args:
        cluster: ``slurm`` or ``local``.
        timeout_min: minutes after which a job is requeued.
        max_timeouts: how often it is.
        partition: of SLURM.
        cpus_per_task: cores of each process of a job.
        gpus_per_node: None: the job's devices, where its trainer wants GPUs.
        mem_gb: per node.
        setup: shell lines before the run.
        options: further ones of sbatch.
    """

    library = ("submitit", "slurm")

    def __init__(
        self,
        cluster: Literal["slurm", "local"] = "slurm",
        timeout_min: int = 1440,
        max_timeouts: int = 3,
        partition: str | None = None,
        cpus_per_task: int | None = None,
        gpus_per_node: int | None = None,
        mem_gb: float | None = None,
        setup: Sequence[str] = (),
        options: dict[str, Any] | None = None,
    ) -> None:
        self.cluster, self.timeout_min, self.max_timeouts = cluster, timeout_min, max_timeouts
        self.partition, self.cpus_per_task, self.mem_gb = partition, cpus_per_task, mem_gb
        self.gpus_per_node, self.setup, self.options = gpus_per_node, list(setup), options or {}

    def run(
        self, jobs: Sequence[Job], logs: Path, at_a_time: int | None
    ) -> Generator[tuple[Job, int], None, None]:
        """See ``stfw.commands.launch.Launcher``."""
        if at_a_time is None:
            at_a_time = len(jobs) if self.cluster == "slurm" else 1
        folder = logs / "submitit"
        free = [frozenset(share) for share in core_shares(at_a_time)] if self._is_local else []
        shares: dict[str, frozenset[int]] = {}
        running: list[tuple[Job, Any]] = []
        waiting = []
        for job in jobs:
            handle = self._left_over(job, logs, folder)
            if handle is not None:
                running.append((job, handle))
            else:
                waiting.append(job)
        try:
            while waiting or running:
                room = at_a_time - len(running)
                batch, waiting = waiting[: max(0, room)], waiting[max(0, room) :]
                for job in batch:
                    shares[job.name] = free.pop() if free else frozenset()
                running += self._submit(batch, logs, folder, shares)
                time.sleep(POLL_SEC)
                for job, handle in list(running):
                    if self._has_ended(handle):
                        running.remove((job, handle))
                        _note(job, logs).unlink(missing_ok=True)
                        if self._is_local and job.name in shares:
                            free.append(shares.pop(job.name))
                        yield job, _status(handle, job.log(logs))
        finally:
            for job, handle in running:
                with suppress(OSError):
                    if self._is_local:  # submitit itself cancels only what it has started
                        os.kill(int(handle.job_id), signal.SIGINT)
                    else:
                        handle.cancel(check=False)
                _note(job, logs).unlink(missing_ok=True)

    @property
    def _is_local(self) -> bool:
        return self.cluster == "local"

    def _submit(
        self, jobs: Sequence[Job], logs: Path, folder: Path, shares: dict[str, frozenset[int]]
    ) -> list[tuple[Job, Any]]:
        """Jobs of one shape at a time, since an array has one."""
        import submitit

        submitted: list[tuple[Job, Any]] = []
        for _, group in itertools.groupby(jobs, lambda j: (j.num_nodes, j.num_devices, j.has_gpu)):
            alike = list(group)
            executor = submitit.AutoExecutor(
                folder, self.cluster, **{f"{self.cluster}_max_num_timeout": self.max_timeouts}
            )
            executor.update_parameters(**self.parameters(alike[0]))
            with executor.batch():
                handles = [
                    executor.submit(_Run(), list(job.overrides), job.log(logs), shares[job.name])
                    for job in alike
                ]
            for job, handle in zip(alike, handles, strict=True):
                _note(job, logs).write_text(handle.job_id)
            submitted += zip(alike, handles, strict=True)
        return submitted

    def parameters(self, job: Job) -> dict[str, Any]:
        """What submitit is told of a job."""
        wanted: dict[str, Any] = {"name": f"stfw-{job.name}"[:60], "timeout_min": self.timeout_min}
        if self._is_local:
            return wanted | {"gpus_per_node": num_gpus()}
        gpus = self.gpus_per_node
        wanted |= {
            "nodes": job.num_nodes,
            "tasks_per_node": job.num_devices,
            "gpus_per_node": (job.num_devices if job.has_gpu else None) if gpus is None else gpus,
            "cpus_per_task": self.cpus_per_task,
            "mem_gb": self.mem_gb,
            "slurm_partition": self.partition,
            "slurm_setup": self.setup or None,
            "slurm_additional_parameters": self.options or None,
        }
        return {name: value for name, value in wanted.items() if value is not None}

    def _left_over(self, job: Job, logs: Path, folder: Path) -> Any:
        """The job that an earlier process has submitted and not seen the end of, if it lives."""
        note = _note(job, logs)
        if not note.is_file():
            return None
        import submitit

        number = note.read_text().strip()
        if self._is_local:
            handle: Any = submitit.LocalJob(folder, number)
            return None if self._has_ended(handle) else handle
        handle = submitit.SlurmJob(folder, number, range(job.num_nodes * job.num_devices))
        return None if handle.done(force_check=True) else handle

    def _has_ended(self, handle: Any) -> bool:
        if not self._is_local or handle._process is not None:
            return handle.done()
        process = Path(f"/proc/{handle.job_id}")  # started by an earlier process of ours
        try:
            words = (process / "cmdline").read_bytes()
            state = (process / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        # another may have the number by now; one that has only just begun has no words yet
        return state == "Z" or (words != b"" and b"submitit" not in words)


class _Run:
    """What submitit calls; when SLURM warns of the end, the job is queued again."""

    def __call__(self, overrides: list[str], log: Path, cores: frozenset[int]) -> int:
        return run_job(overrides, log, os.getcwd(), cores=cores)

    def checkpoint(self, overrides: list[str], log: Path, cores: frozenset[int]) -> Any:
        import submitit

        if not any(word.startswith("resume=") for word in overrides):
            overrides = [*overrides, "resume=auto"]
        return submitit.helpers.DelayedSubmission(self, overrides, log, cores)


def _note(job: Job, logs: Path) -> Path:
    """Which job of the cluster a job is."""
    return logs / f"{job.name}.submitit"


def _status(handle: Any, log: Path) -> int:
    """Exit status of an ended job; what ended it from outside is added to its log."""
    try:
        return max(handle.results(), key=abs)
    except Exception as error:
        with log.open("a") as stream:
            state = " ".join(str(error).split())[:500]
            stream.write(f"job {handle.job_id} gave no result: {handle.state}: {state}\n")
        return 1
