"""``launcher=ray``: jobs as tasks of a Ray cluster; a single training as its workers."""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

from stfw.commands.launch import Job, core_shares, run_job, shared_environment
from stfw.commands.launchers import needs
from stfw.types import UserError


class Ray:
    """Every machine of the cluster sees the same disk and has stfw installed.

    Args:
        address: of the cluster; ``auto``: the one that is running here; None: a new one, here,
            that ends with this process.
        cpus: cores per process.
        gpus: GPUs per process; None: one where the trainer wants GPUs.

    Raises:
        UserError: a process without a core, or with less than no GPU.
    """

    library = ("ray", "ray")

    def __init__(
        self, address: str | None = None, cpus: int = 1, gpus: float | None = None
    ) -> None:
        if cpus < 1:
            raise UserError(f"launcher.cpus={cpus}: a process needs at least 1")
        if gpus is not None and gpus < 0:
            raise UserError(f"launcher.gpus={gpus}: it must be 0 or more")
        self.address, self.cpus, self.gpus = address, cpus, gpus

    def run(
        self, jobs: Sequence[Job], logs: Path, at_a_time: int | None
    ) -> Generator[tuple[Job, int], None, None]:
        """See ``stfw.commands.launch.Launcher``."""
        for job in jobs:
            if job.num_nodes > 1:
                raise UserError(
                    f"{job}: with launcher=ray each job of -m runs on one machine; start it alone "
                    "(stfw train launcher=ray), or give trainer.num_nodes=1"
                )
        ray = self.connect()
        for job in jobs:
            self.check_place(ray, self.resources(job.has_gpu, job.num_devices), 1, str(job))
        # on one machine the jobs share out its cores; Ray itself binds nobody to any
        places = int(ray.cluster_resources().get("CPU", 1)) // self.cpus
        alone = len(ray.nodes()) == 1 and all(job.num_devices == 1 for job in jobs)
        free = [frozenset(s) for s in core_shares(max(1, places))] if alone and places else []
        task = ray.remote(max_retries=0)(run_job)
        folder, environment = os.getcwd(), shared_environment()
        waiting, running = list(jobs), dict[Any, tuple[Job, frozenset[int]]]()
        limit = min(at_a_time or len(jobs), len(free) or len(jobs))
        try:
            while waiting or running:
                while waiting and len(running) < limit:
                    job = waiting.pop(0)
                    cores = free.pop() if free else frozenset[int]()
                    options = self.resources(job.has_gpu, job.num_devices)
                    ref = task.options(**options).remote(
                        list(job.overrides), job.log(logs), folder, environment, cores
                    )
                    running[ref] = job, cores
                ended, _ = ray.wait(list(running), num_returns=1)
                for ref in ended:
                    job, cores = running.pop(ref)
                    if cores:
                        free.append(cores)
                    yield job, _status(ray, ref, job.log(logs))
        finally:
            for ref in running:
                ray.cancel(ref, force=True)
            ray.shutdown()

    def connect(self) -> Any:
        """Ray, connected; it sends nothing home and says little."""
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        # else a busy machine starves what is to be trained
        os.environ.setdefault("RAY_worker_niceness", "0")
        ray = needs(*self.library)
        address = {} if self.address is None else {"address": self.address}
        try:
            ray.init(**address, include_dashboard=False, log_to_driver=False, logging_level="error")
        except ConnectionError as error:
            reason = " ".join(str(error).split())[:200]
            raise UserError(
                f"launcher.address={self.address}: no Ray answers ({reason})"
            ) from error
        return ray

    def resources(self, has_gpu: bool, num_processes: int = 1) -> dict[str, float]:
        """What so many processes take of the cluster."""
        gpus = self.gpus if self.gpus is not None else float(has_gpu)
        return {"num_cpus": self.cpus * num_processes, "num_gpus": gpus * num_processes}

    def check_place(self, ray: Any, wanted: dict[str, float], count: int, what: str) -> None:
        """Else Ray waits for ever for a place that there never is.

        Args:
            ray: connected.
            wanted: what each process, or group of them on one machine, takes.
            count: how many of these are to run at once.
            what: a name for them.

        Raises:
            UserError: the cluster, as it is now, could not even run them alone.
        """
        shares = {"CPU": wanted["num_cpus"], "GPU": wanted["num_gpus"]}
        shares = {name: share for name, share in shares.items() if share}
        machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        places = sum(
            min((_fits(has.get(name, 0), share) for name, share in shares.items()), default=count)
            for has in machines
        )
        if places < count:
            asked = " and ".join(f"{share * count:g} {name}s" for name, share in shares.items())
            ray.shutdown()
            raise UserError(
                f"{what}: Ray has no place for {asked}, as its machines are too small or too few; "
                "lower trainer.devices, launcher.cpus or launcher.gpus"
            )


def _status(ray: Any, ref: Any, log: Path) -> int:
    """Exit status of an ended job; what ended it from outside is added to its log."""
    try:
        return int(ray.get(ref))
    except Exception as error:
        with log.open("a") as stream:
            stream.write(f"Ray: {' '.join(str(error).split())[:500]}\n")
        return 1


def _fits(there: float, share: float) -> int:
    """How often: 0.2 of 1.0 five times, for which ``//`` says four."""
    return int(there / share + 1e-6)
