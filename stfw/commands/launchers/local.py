"""``launcher=local``: processes of this machine."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Generator, Sequence
from pathlib import Path

from stfw.commands.launch import POLL_SEC, Job, core_shares, on_its_own, start_job


class Local:
    """Each job has its share of the cores and of the GPUs.

    When this process ends, however it does, so do they.
    """

    library = None

    def run(
        self, jobs: Sequence[Job], logs: Path, at_a_time: int | None
    ) -> Generator[tuple[Job, int], None, None]:
        """See ``stfw.commands.launch.Launcher``."""
        places = at_a_time or 1
        waiting, running = iter(jobs), dict[int, tuple[Job, subprocess.Popen[bytes]]]()
        cores, gpus = core_shares(places), gpu_shares(places)
        try:
            while True:
                for slot in range(places):
                    if slot not in running and (job := next(waiting, None)) is not None:
                        share = frozenset(cores[slot])
                        own = {**gpus[slot], **on_its_own()}
                        process = start_job(job.overrides, job.log(logs), share, None, own)
                        running[slot] = job, process
                if not running:
                    return
                time.sleep(POLL_SEC)
                for slot, (job, process) in list(running.items()):
                    status = process.poll()
                    if status is not None:
                        del running[slot]
                        yield job, status
        finally:
            for _, process in running.values():
                process.send_signal(signal.SIGTERM)
            for _, process in running.values():
                process.wait()


def gpu_shares(places: int) -> list[dict[str, str]]:
    """What tells the jobs of each place which GPUs are theirs; nothing where all are."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        visible = ",".join(str(number) for number in range(num_gpus()))
    names = [name for name in visible.split(",") if name]
    if places == 1 or not names:
        return [{} for _ in range(places)]
    shares = [names[slot::places] or [names[slot % len(names)]] for slot in range(places)]
    return [{"CUDA_VISIBLE_DEVICES": ",".join(share)} for share in shares]


def num_gpus() -> int:
    """NVIDIA GPUs of this machine, as the driver lists them; torch is not imported for it."""
    folder = Path("/proc/driver/nvidia/gpus")
    return len(list(folder.iterdir())) if folder.is_dir() else 0
