"""``stfw tune batch``: how many videos a batch may have on this device, and what they cost.

The same sample is taken over and over, so that nothing is measured but the model.
"""

from __future__ import annotations

import argparse
import dataclasses
import resource
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stfw.types import UserError


@dataclasses.dataclass(frozen=True)
class Cost:
    """What a batch costs.

    Attributes:
        batch_size: videos.
        step_sec: of one step, forward, backward and optimizer.
        memory: bytes at the peak: the GPU's, or without one the process's.
    """

    batch_size: int
    step_sec: float
    memory: int


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="stfw tune batch", description=__doc__)
    made.add_argument("overrides", nargs="*", help="of stfw train")
    made.add_argument("--min", type=int, default=2, help="first batch (2); each is twice the last")
    made.add_argument("--max", type=int, default=1024, help="last batch (1024)")
    made.add_argument(
        "--steps", type=int, default=3, help="timed steps of each, after one more (3)"
    )
    return made


def main(words: Sequence[str]) -> None:
    given = parser().parse_args(list(words))
    if not 1 <= given.min <= given.max:
        raise UserError(f"--min {given.min} must be at least 1, and at most --max {given.max}")
    if given.steps < 1:
        raise UserError(f"--steps {given.steps} is below 1")
    from stfw.commands.tune._trial import prepare

    trial = prepare(given.overrides)
    num_videos = len(trial.data.splits["train"])
    sample = trial.data.dataset("train")[0]
    repeats = trial.data.loader.repeats
    print("batch   ms a step   clips a second   memory")
    found: list[Cost] = []
    size, end = given.min, ""
    while not end:
        cost = measure(trial, sample, size, given.steps)
        if cost is None:
            end = f"{size} do not fit into the memory"
            break
        found.append(cost)
        speed = size * repeats / cost.step_sec
        print(
            f"{size:>5} {cost.step_sec * 1e3:>11.1f} {speed:>16.1f} {cost.memory / 2**30:>8.2f} GiB"
        )
        size *= 2
        end = reason_to_end(found, size, given.max, num_videos, trial)
    if not found:
        raise UserError(f"not even a batch of {given.min} fits into the memory; try --min 1")
    print(end)
    print(f"data.batch_size={found[-1].batch_size}")


def reason_to_end(
    found: Sequence[Cost], size: int, largest: int, num_videos: int, trial: Any
) -> str:
    """Why the next batch is not tried; empty: it is."""
    if size > largest:
        return f"--max {largest} is reached"
    if size > num_videos:
        return f"there are {num_videos} training videos"
    if not _on_gpu(trial) and len(found) > 1:  # a machine without memory stops the process itself
        grown = found[-1].memory - found[-2].memory
        if 2 * grown > available_memory():
            return f"{size} would not fit into the memory that is left"
    return ""


def measure(
    trial: Any, sample: Any, batch_size: int, num_steps: int, num_workers: int = 0
) -> Cost | None:
    """Trains on copies of one sample; None: they do not fit into the GPU's memory.

    Args:
        trial: what is trained.
        sample: as the dataset gives it.
        batch_size: copies.
        num_steps: that are timed.
        num_workers: loading processes for which, on a CPU, cores are left.
    """
    import pytorch_lightning as pl
    import torch
    from pytorch_lightning.utilities.memory import garbage_collection_cuda, is_oom_error
    from torch.utils.data import DataLoader

    from stfw.data.dataset import collate

    on_gpu = _on_gpu(trial)

    class Clock(pl.Callback):
        """Seconds of the steps behind the first."""

        def __init__(self) -> None:
            self.seconds: list[float] = []

        def on_train_batch_start(self, *_: Any) -> None:
            self._wait()
            self.begin = time.perf_counter()

        def on_train_batch_end(self, *_: Any) -> None:
            self._wait()
            self.seconds.append(time.perf_counter() - self.begin)

        @staticmethod
        def _wait() -> None:
            if on_gpu:
                torch.cuda.synchronize()

    trial.task.make_lr_scheduler = None  # it may wait for a score, and nothing is validated
    batch = collate([sample] * batch_size)
    accumulate = int(trial.cfg.trainer.accumulate_grad_batches)
    num_batches = (num_steps + 1) * accumulate
    loader: Any = DataLoader([batch] * num_batches, batch_size=None)  # type: ignore[arg-type]
    clock = Clock()
    trainer = trial.trainer(num_steps + 1, [clock], num_workers)
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    try:
        trainer.fit(trial.task, loader)
    except RuntimeError as error:
        if not is_oom_error(error):
            raise
        return None
    finally:
        trial.task.zero_grad(set_to_none=True)
        garbage_collection_cuda()
    timed = clock.seconds[accumulate:]
    memory = torch.cuda.max_memory_reserved() if on_gpu else peak_memory()
    return Cost(batch_size, sum(timed) / len(timed) * accumulate, memory)


def peak_memory() -> int:
    """Most bytes that this process has held."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def available_memory() -> int:
    """Bytes that the machine, or the limit set for this process, has left; many if unknown."""
    left = []
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        left += [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable")]
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
        used = int(Path("/sys/fs/cgroup/memory.current").read_text())
        left += [int(limit) - used] if limit.isdecimal() else []
    except OSError:
        pass  # not Linux, or no such limit
    return min(left, default=2**60)


def _on_gpu(trial: Any) -> bool:
    import torch

    return torch.cuda.is_available() and trial.cfg.trainer.accelerator in ("auto", "gpu", "cuda")
