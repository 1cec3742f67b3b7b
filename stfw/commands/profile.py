"""``stfw profile``: where the time of training goes, in one page and a trace.

Warm steps are timed stage by stage, with the run's own callbacks; a few more are traced by
torch.profiler; then samples are read in this process, to see what reading them is made of.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stfw.types import UserError

if TYPE_CHECKING:
    from stfw.commands.profile_page import Profile

NUM_OPERATORS = 12
NUM_SAMPLES = 16  # read to see what reading is made of


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="stfw profile", description=__doc__)
    made.add_argument("overrides", nargs="*", help="of stfw train")
    made.add_argument("--steps", type=int, default=10, help="timed batches, after warm ones (10)")
    made.add_argument("--traced", type=int, default=3, help="batches in the trace (3)")
    made.add_argument("--out", default="profile", help="folder of profile.md and trace.json.gz")
    return made


def main(words: Sequence[str]) -> None:
    given = parser().parse_intermixed_args(list(words))
    for name in ("steps", "traced"):
        if getattr(given, name) < 1:
            raise UserError(f"--{name} {getattr(given, name)} is below 1")
    folder = Path(given.out).expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--out {folder}: no folder can be made there ({error})") from error
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # else the tracer talks over the page
    from stfw.commands.profile_page import advice, page
    from stfw.commands.tune._trial import prepare
    from stfw.redact import redact_override
    from stfw.runs.directory import write_text

    trial = prepare(given.overrides)
    seen = measure(trial, given.steps, given.traced, folder / "trace.json.gz")
    command = shlex.join(["stfw", "profile", *map(redact_override, given.overrides)])
    text = page(seen, command, advice(seen, trial.cfg))
    write_text(folder / "profile.md", text)
    print(text)
    print(f"{folder / 'profile.md'}  {folder / 'trace.json.gz'} (chrome://tracing, Perfetto)")


def measure(trial: Any, num_steps: int, num_traced: int, trace: Path) -> Profile:
    """Trains a few steps that leave nothing behind but the trace."""
    import torch

    from stfw.assemble import assemble_trainer
    from stfw.build import Build
    from stfw.commands.preflight import share_cores
    from stfw.commands.profile_page import Profile
    from stfw.commands.stages import Stages, loader_parts

    cfg, data = trial.cfg, trial.data
    accumulate = int(cfg.trainer.accumulate_grad_batches)
    num_steps = -(-num_steps // accumulate) * accumulate  # whole optimizer steps
    # what the workers had ready at the start is not what they can keep up with
    ready = data.num_workers * data.loader.prefetch_factor
    num_warm = -(-max(2, min(ready, 2 * num_steps)) // accumulate) * accumulate
    _lengthen(data, num_warm + num_steps + num_traced)
    dataset, records = data.dataset("train"), data.splits["train"]
    with tempfile.TemporaryDirectory() as folder:
        cfg.output_dir, cfg.logger = folder, None
        windows = _windows(num_warm, num_steps, num_traced, trace)
        trainer: Any = assemble_trainer(cfg, Build(), [windows], [])
        share_cores(trainer, data.num_workers)
        device = trainer.strategy.root_device
        on_gpu = device.type == "cuda"
        stages = windows.stages = trainer.profiler = Stages(device=device if on_gpu else None)
        stages.watch(trial.task, compiled=cfg.compile is not None)
        for part in trainer.callbacks:  # this command has its own page
            if hasattr(part, "line_every_sec"):
                part.line_every_sec = None
        with contextlib.suppress(windows.Done):
            trainer.fit(trial.task, data)
    torch.set_num_threads(1)  # as in a worker
    step = max(1, len(records) // NUM_SAMPLES)
    parts = loader_parts(dataset, range(len(records))[::step][:NUM_SAMPLES])
    return Profile(
        num_steps,
        data.loader.batch_size * data.loader.repeats,
        data.num_workers,
        on_gpu,
        windows.seen,
        sum(windows.seen.values()),
        parts,
        operators(windows.profiler, num_traced, on_gpu),
    )


def _lengthen(data: Any, num_batches: int) -> None:
    """Lets videos come again within an epoch, whose end is no step."""
    records = data.splits["train"]
    data.splits["train"] = records * -(-num_batches * data.loader.batch_size // len(records))


def _windows(num_warm: int, num_steps: int, num_traced: int, trace: Path) -> Any:
    """A callback that times, then traces, then ends the training."""
    import pytorch_lightning as pl
    import torch
    from torch.profiler import ProfilerActivity

    class Windows(pl.Callback):
        class Done(Exception):  # noqa: N818
            """Enough was seen; the epoch's end is not waited for."""

        stages: Any
        seen: dict[str, float]

        def __init__(self) -> None:
            own = [ProfilerActivity.CPU]
            gpu = [ProfilerActivity.CUDA] if torch.cuda.is_available() else []
            self.profiler = torch.profiler.profile(activities=own + gpu)
            self.num_done = 0

        def on_train_batch_end(self, *_: Any) -> None:
            self.num_done += 1
            if self.num_done == num_warm:
                self.stages.reset()
            elif self.num_done == num_warm + num_steps:
                self.stages.count()
                self.seen = dict(self.stages.sec)
                self.profiler.start()
                self.stages.annotates = True
            elif self.num_done == num_warm + num_steps + num_traced:
                self.stages.annotates = False
                self.profiler.stop()
                part = trace.with_name(f"part_{os.getpid()}_{trace.name}")
                self.profiler.export_chrome_trace(str(part))
                os.replace(part, trace)
                raise self.Done

    return Windows()


def operators(profiler: Any, num_steps: int, on_gpu: bool) -> list[tuple[str, float, float, float]]:
    """The longest operators of a trace, by their own time; see ``Profile``."""
    own = "self_device_time_total" if on_gpu else "self_cpu_time_total"  # in µs
    rows = [row for row in profiler.key_averages() if not row.is_user_annotation]
    total = sum(getattr(row, own) for row in rows) or 1.0
    rows.sort(key=lambda row: -getattr(row, own))
    return [
        (
            row.key,
            getattr(row, own) / total,
            getattr(row, own) / 1000 / num_steps,
            row.count / num_steps,
        )
        for row in rows[:NUM_OPERATORS]
    ]
