"""How fast training goes and what it waits for: per epoch, and over the run."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
import torch

from stfw.data.loader import VideoLoader
from stfw.tasks.grid_schedule import planned_steps

UTILISATION_EVERY_SEC = 2.0  # the driver itself averages over up to a second


class Throughput(pl.Callback):
    """Measures the training batches: clips per second, waiting for data, GPU, time left.

    Every epoch's figures are logged as ``throughput/...``; ``Progress`` shows them, ``run.json``
    keeps those of the run. Nothing here waits for a GPU, as Lightning's ThroughputMonitor does at
    every step; its DeviceStatsMonitor knows nothing of data.

    Waiting is the time that the loop stood in the loader, the start of its workers included. A GPU
    works off meanwhile what it was given: there it counts only as far as the GPU stood idle too.
    Decoding is added up over the workers, which work beside the model.
    """

    def __init__(self) -> None:
        self.num_clips, self.busy_sec, self.wait_sec = 0, 0.0, 0.0  # of this epoch, so far
        self._run = {"clips": 0.0, "busy": 0.0, "wait": 0.0, "decode": 0.0, "fit": 0.0}
        self._fit_begin = self._epoch_begin = self._paused = 0.0
        self._first_step = self._num_steps = 0
        self._loader: VideoLoader | None = None  # a task of your own may have another
        self._waited = self._decoded = 0.0  # by the loader, before this epoch
        self._gpu: Gpu | None = None
        self._world_size = 1

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._fit_begin = time.perf_counter()
        self._world_size = trainer.world_size
        device = trainer.strategy.root_device
        self._gpu = Gpu(device) if device.type == "cuda" else None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._first_step, self._num_steps = trainer.global_step, sum(planned_steps(trainer))

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        loader: Any = trainer.train_dataloader
        self._loader = loader if isinstance(loader, VideoLoader) else None
        if self._loader is not None:
            self._waited, self._decoded = self._loader.wait_sec, self._loader.decode_sec
        self.num_clips, self.busy_sec, self.wait_sec = 0, 0.0, 0.0
        self._epoch_begin = time.perf_counter()
        if self._gpu is not None:
            self._gpu.begin_epoch(self._waited)

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        if self._gpu is not None and self._loader is not None:
            self._gpu.begin_step(self._loader.wait_sec)

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        self.busy_sec = time.perf_counter() - self._epoch_begin
        views = batch["weights"].shape[1] if "weights" in batch else 1
        self.num_clips += len(batch["label"]) * views
        if self._loader is not None:
            self.wait_sec = self._loader.wait_sec - self._waited
        if self._gpu is not None:
            self._gpu.end_step()
            self.wait_sec = self._gpu.idle_sec

    # a validation within an epoch is no training
    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._paused = time.perf_counter()

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._epoch_begin += time.perf_counter() - self._paused

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._run["clips"] += self.num_clips
        self._run["busy"] += self.busy_sec
        self._run["wait"] += self.wait_sec
        if self._loader is not None:
            self._run["decode"] += self._loader.decode_sec - self._decoded
        values = {f"throughput/{name}": value for name, value in self.figures().items()}
        pl_module.log_dict(values, rank_zero_only=True)

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._run["fit"] = time.perf_counter() - self._fit_begin

    def figures(self) -> dict[str, float]:
        """Of this epoch so far.

        Returns:
            ``clips_per_sec`` over all processes; of this process ``wait_share`` (0..1) and, with a
            GPU, ``gpu_memory_gib`` (the most that torch has held) and ``gpu_share`` (0..1, how much
            of the time it computed; only where ``nvidia-ml-py`` is installed).
        """
        busy = self.busy_sec or float("inf")
        own = {
            "clips_per_sec": self.num_clips * self._world_size / busy,
            "wait_share": min(1.0, self.wait_sec / busy),
        }
        return own | (self._gpu.figures() if self._gpu is not None else {})

    def told(self, global_step: int | None = None) -> str:
        """``410 clips/s  31% waiting for data  2 min left``, as ``Progress`` shows it.

        Args:
            global_step: of the trainer; None: without the time left.
        """
        now = self.figures()
        parts = [
            speed(now["clips_per_sec"]),
            f"{100 * now['wait_share']:.0f}% waiting for data",
        ]
        if "gpu_memory_gib" in now:
            share = f" {100 * now['gpu_share']:.0f}%" if "gpu_share" in now else ""
            parts.append(f"GPU{share} {now['gpu_memory_gib']:.1f} GiB")
        step = self._num_steps if global_step is None else global_step
        done, left = step - self._first_step, self._num_steps - step
        if done > 0 and left > 0:
            spent = time.perf_counter() - self._fit_begin  # with validation and checkpoints
            parts.append(f"{short_time(spent / done * left)} left")
        return "  ".join(parts)

    def summary(self) -> dict[str, float]:
        """Seconds by stage over the run, and clips per second of training."""
        busy, wait, fit = (
            self._run["busy"],
            min(self._run["wait"], self._run["busy"]),
            self._run["fit"],
        )
        own = {
            "decode_sec": round(self._run["decode"], 3),
            "wait_sec": round(wait, 3),
            "model_sec": round(busy - wait, 3),
            "rest_sec": round(max(0.0, fit - busy), 3),
            "fit_sec": round(fit, 3),
            "clips_per_sec": round(self._run["clips"] * self._world_size / busy, 2)
            if busy
            else 0.0,
        }
        gpu = self._gpu.figures() if self._gpu is not None else {}
        return own | {name: round(value, 3) for name, value in gpu.items()}


class Gpu:
    """What a GPU does while data are waited for, seen by events in its queue.

    Args:
        device: the GPU.
        event: makes an event that is told the time at which the GPU comes to it.
    """

    def __init__(
        self,
        device: torch.device,
        event: Callable[[], Any] = lambda: torch.cuda.Event(enable_timing=True),
    ) -> None:
        self.device, self._event = device, event
        self.idle_sec = 0.0
        self._waited = 0.0
        self._ended: Any = None
        self._gaps: deque[tuple[float, Any, Any]] = deque()  # (waited, end of a step, next begin)
        self._shares: list[float] = []
        self._look_at = 0.0

    def begin_epoch(self, waited_sec: float) -> None:
        """Forgets the last epoch.

        Args:
            waited_sec: for the loader, since it was made.
        """
        self.idle_sec, self._waited = 0.0, waited_sec
        self._gaps.clear()
        self._shares.clear()
        self.end_step()

    def begin_step(self, waited_sec: float) -> None:
        """A batch has come; ``waited_sec`` as above."""
        begin = self._event()
        begin.record()
        self._gaps.append((waited_sec - self._waited, self._ended, begin))
        self._waited = waited_sec

    def end_step(self) -> None:
        """The GPU has been given all of a step."""
        self._ended = self._event()
        self._ended.record()
        while self._gaps and self._gaps[0][2].query():  # the GPU has come so far
            waited, end, begin = self._gaps.popleft()
            self.idle_sec += min(waited, end.elapsed_time(begin) / 1000)
        if time.perf_counter() >= self._look_at:
            self._look()

    def _look(self) -> None:
        self._look_at = time.perf_counter() + UTILISATION_EVERY_SEC
        try:
            self._shares.append(torch.cuda.utilization(self.device) / 100)
        except Exception:  # no nvidia-ml-py, or a driver that does not tell
            self._look_at = float("inf")

    def figures(self) -> dict[str, float]:
        """Its memory, and its mean utilisation of this epoch where the driver tells it."""
        told = {"gpu_memory_gib": torch.cuda.max_memory_reserved(self.device) / 2**30}
        if self._shares:
            told["gpu_share"] = sum(self._shares) / len(self._shares)
        return told


def speed(clips_per_sec: float) -> str:
    """``58.5 clips/s``, ``1234 clips/s``."""
    digits = 0 if clips_per_sec >= 99.95 else 1 if clips_per_sec >= 9.995 else 2
    return f"{clips_per_sec:.{digits}f} clips/s"


def short_time(seconds: float) -> str:
    """``40 s``, ``12 min``, ``3 h 20 min``."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
