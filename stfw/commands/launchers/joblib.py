"""``launcher=joblib``: jobs through one of joblib's backends."""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from pathlib import Path
from queue import SimpleQueue

from stfw.commands.launch import Job, core_shares, on_its_own, run_job, shared_environment
from stfw.commands.launchers import needs


class Joblib:
    """Jobs are processes of their own, so that threads are enough to wait for them.

    Args:
        backend: name of joblib's backend.
    """

    library = ("joblib", "joblib")

    def __init__(self, backend: str = "threading") -> None:
        self.backend = backend

    def run(
        self, jobs: Sequence[Job], logs: Path, at_a_time: int | None
    ) -> Generator[tuple[Job, int], None, None]:
        """See ``stfw.commands.launch.Launcher``."""
        joblib = needs(*self.library)
        places = at_a_time or 1
        shares: SimpleQueue[frozenset[int]] = SimpleQueue()
        for share in core_shares(places):
            shares.put(frozenset(share))

        def on_its_cores(number: int) -> tuple[int, int]:
            share = shares.get()
            try:
                return _run(number, jobs[number], logs, share, None, on_its_own())
            finally:
                shares.put(share)

        folder, environment = os.getcwd(), shared_environment()
        pool = joblib.Parallel(
            n_jobs=places,
            backend=self.backend,
            return_as="generator_unordered",
            pre_dispatch="n_jobs",
            batch_size=1,
        )
        if self.backend == "threading":
            calls = (joblib.delayed(on_its_cores)(number) for number in range(len(jobs)))
        else:
            calls = (
                joblib.delayed(_run)(number, job, logs, frozenset(), folder, environment)
                for number, job in enumerate(jobs)
            )
        for number, status in pool(calls):
            yield jobs[number], status


def _run(
    number: int,
    job: Job,
    logs: Path,
    cores: frozenset[int],
    folder: str | None = None,
    environment: dict[str, str] | None = None,
) -> tuple[int, int]:
    return number, run_job(job.overrides, job.log(logs), folder, environment, cores)
