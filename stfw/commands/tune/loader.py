"""``stfw tune loader``: how many workers, and what bounds the run on this machine.

For each number of workers three speeds: of the loader alone, of the training step alone (on a batch
that is there already, with the cores that the workers leave), and of both together.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from collections.abc import Sequence
from typing import Any

from stfw.types import UserError

GAIN = 1.05  # what is less faster is taken for noise
MOST_WORKERS = 16


@dataclasses.dataclass(frozen=True)
class Speed:
    """What a setting of the loader gives; clips per second, but for ``first_sec``.

    Attributes:
        num_workers: loading processes.
        prefetch: batches that each keeps ready.
        first_sec: until the first batch came, workers started.
        reading: the loader alone.
        step: the training step alone.
        both: a training.
    """

    num_workers: int
    prefetch: int
    first_sec: float
    reading: float
    step: float
    both: float

    def run_sec(self, num_clips: int) -> float:
        """Estimated seconds of a run over so many clips."""
        return self.first_sec + num_clips / self.both


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="stfw tune loader", description=__doc__)
    made.add_argument("overrides", nargs="*", help="of stfw train")
    made.add_argument("--workers", help="numbers to try, as 0,2,4 (default: by the cores)")
    made.add_argument("--prefetch", default="2,4", help="factors to try with the best (2,4)")
    made.add_argument("--sec", type=float, default=2.0, help="length of each measurement (2)")
    return made


def main(words: Sequence[str]) -> None:
    given = parser().parse_intermixed_args(list(words))
    if not given.sec > 0:
        raise UserError(f"--sec {given.sec:g} must be above 0")
    factors = numbers("--prefetch", given.prefetch, least=1)
    workers = numbers("--workers", given.workers, least=0) if given.workers else None
    from stfw.commands.tune._trial import prepare
    from stfw.data.datamodule import num_cores

    trial = prepare(given.overrides)
    loader, cores = trial.data.loader, num_cores()
    num_videos = len(trial.data.splits["train"])
    print(f"{num_videos} training videos in batches of {loader.batch_size}, {cores} cores")
    print("clips per second      first batch    loader    step    together")
    steps: dict[int, float] = {}

    def try_out(num_workers: int, prefetch: int) -> Speed:
        speed = measure(trial, num_workers, prefetch, given.sec, steps)
        name = f"{num_workers} worker{'' if num_workers == 1 else 's'}"
        if num_workers:
            name += f", prefetch {prefetch}"
        print(
            f"{name:<22}{speed.first_sec:>9.2f} s{speed.reading:>10.1f}{speed.step:>8.1f}"
            f"{speed.both:>12.1f}",
            flush=True,
        )
        return speed

    tried = [try_out(n, factors[0]) for n in workers or worker_numbers(cores)]
    epochs = max(1, int(trial.cfg.trainer.max_epochs or 1))
    num_clips = num_videos * loader.repeats * epochs
    best = fastest(tried, num_clips)
    if best.num_workers:
        tried = [best, *(try_out(best.num_workers, factor) for factor in factors[1:])]
        best = fastest(tried, num_clips)
    print(verdict(best, num_clips, _on_gpu(trial)))
    prefetch = f" data.prefetch_factor={best.prefetch}" if best.num_workers else ""
    print(f"data.num_workers={best.num_workers}{prefetch}")


def numbers(name: str, text: str, least: int) -> list[int]:
    """``0,2,4`` as whole numbers, each once.

    Raises:
        UserError: something else, or a number below ``least``.
    """
    try:
        found = list(dict.fromkeys(int(word) for word in text.split(",")))
    except ValueError as error:
        raise UserError(f"{name} {text}: give whole numbers with commas, as 2,4") from error
    if min(found) < least:
        raise UserError(f"{name} {text}: {min(found)} is below {least}")
    return found


def worker_numbers(cores: int) -> list[int]:
    """None, powers of two, and as many as there are cores."""
    most = min(cores, MOST_WORKERS)
    return sorted({0, most, *(2**n for n in range(5) if 2**n < most)})


def fastest(tried: Sequence[Speed], num_clips: int) -> Speed:
    """The first whose run would take hardly longer than the shortest."""
    shortest = min(speed.run_sec(num_clips) for speed in tried)
    return next(speed for speed in tried if speed.run_sec(num_clips) <= GAIN * shortest)


def verdict(best: Speed, num_clips: int, on_gpu: bool) -> str:
    """What bounds the run with a setting, and what to do about it."""
    from stfw.callbacks.throughput import speed

    start = best.first_sec / best.run_sec(num_clips)
    if start > 0.25 and best.num_workers:
        return (
            f"the start of the workers bounds so short a run: {best.first_sec:.1f} s are "
            f"{100 * start:.0f}% of it; data.start_method=fork starts them fastest"
        )
    reading, step = speed(best.reading), speed(best.step)
    # without workers the two take turns, and the slower one bounds
    if best.num_workers and best.both < 0.8 * min(best.reading, best.step) and not on_gpu:
        return (
            f"the cores bound the run: the loader alone gives {reading} and the step takes {step}, "
            f"but they share the cores and reach {speed(best.both)} together"
        )
    if best.reading < 1.1 * best.step:
        return (
            f"reading the videos bounds the run: the loader gives {reading}, the step would take "
            f"{step}; see what reading is made of: stfw profile, and stfw data prepare"
        )
    return (
        f"the network bounds the run: it takes {step} and the loader can give {reading}; "
        "more workers change nothing"
    )


def measure(
    trial: Any, num_workers: int, prefetch: int, seconds: float, steps: dict[int, float]
) -> Speed:
    """Tries one setting.

    Args:
        trial: what is trained.
        num_workers: loading processes.
        prefetch: batches that each keeps ready.
        seconds: of reading alone, and of training.
        steps: clips per second of the step alone by the model's threads; what is known already is
            not measured again.

    Raises:
        UserError: a batch does not fit into the GPU's memory.
    """
    import torch

    from stfw.commands.tune import batch

    data = trial.data
    data.loader = dataclasses.replace(
        data.loader, num_workers=num_workers, prefetch_factor=prefetch
    )
    trial.trainer(1, [], num_workers)  # shares the cores out
    threads = torch.get_num_threads()
    clips = data.loader.batch_size * data.loader.repeats
    if threads not in steps:
        sample = data.dataset("train")[0]
        cost = batch.measure(trial, sample, data.loader.batch_size, 3, num_workers)
        if cost is None:
            raise UserError(
                f"data.batch_size={data.loader.batch_size} does not fit into the GPU's memory; "
                "stfw tune batch finds what does"
            )
        accumulate = int(trial.cfg.trainer.accumulate_grad_batches)
        steps[threads] = clips * accumulate / cost.step_sec
    first_sec, reading = read(data, seconds)
    both = train(trial, seconds, num_workers)
    return Speed(num_workers, prefetch, first_sec, reading, steps[threads], both)


def read(data: Any, seconds: float) -> tuple[float, float]:
    """Seconds to the first batch, and then clips per second, of the training loader alone."""
    data.trainer = None
    loader = data.train_dataloader()
    pace = Pace(data, seconds)
    begin, first_sec = time.perf_counter(), 0.0
    for epoch in range(10**9):
        loader.batch_sampler.set_epoch(epoch)
        for _ in loader:
            first_sec = first_sec or time.perf_counter() - begin
            if pace.counts():
                return first_sec, pace.clips_per_sec
    raise AssertionError("not reached")


def train(trial: Any, seconds: float, num_workers: int) -> float:
    """Clips per second of a training."""
    import pytorch_lightning as pl
    import torch

    pace, on_gpu = Pace(trial.data, seconds), _on_gpu(trial)

    class Stop(pl.Callback):
        def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
            if on_gpu and pace.is_at_a_border():
                torch.cuda.synchronize()
            trainer.should_stop = pace.counts()

    trainer = trial.trainer(10**7, [Stop()], num_workers)
    trainer.fit(trial.task, trial.data)
    return pace.clips_per_sec


class Pace:
    """Counts batches for a while, once those are used up that the workers had ready.

    Args:
        data: the data module.
        seconds: how long; at least two batches. It waits no longer for the begin.
    """

    def __init__(self, data: Any, seconds: float) -> None:
        self.clips = data.loader.batch_size * data.loader.repeats
        self.seconds = seconds
        self.left = max(2, data.num_workers * data.loader.prefetch_factor)  # not counted
        self.num_batches = 0
        self.first: float | None = None
        self.begin = self.sec = 0.0

    def is_at_a_border(self) -> bool:
        """Whether the count may begin or end with this batch."""
        return self.left > 0 or time.perf_counter() - self.begin >= self.seconds

    def counts(self) -> bool:
        """A batch is done. Returns whether enough were."""
        now = time.perf_counter()
        self.first = now if self.first is None else self.first
        if self.left:
            self.left = self.left - 1 if now - self.first < self.seconds else 0
            self.begin = now
            return False
        self.num_batches += 1
        self.sec = now - self.begin
        return self.sec >= self.seconds and self.num_batches >= 2

    @property
    def clips_per_sec(self) -> float:
        return self.num_batches * self.clips / self.sec


def _on_gpu(trial: Any) -> bool:
    from stfw.commands.tune import batch

    return batch._on_gpu(trial)
