"""Clips per second, waiting and time left: what they mean, where they are shown and kept."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch

from stfw.callbacks.progress import Progress
from stfw.callbacks.throughput import Gpu, Throughput, short_time, speed
from stfw.data.loader import VideoLoader
from tests.tasks.tiny import Data, task, trainer

PAUSE_SEC = 0.05


class Slow(Data):
    """Each batch of 4, 4 and 2 videos takes 50 ms to come, two views of every video."""

    def train_dataloader(self) -> VideoLoader:
        def slowly(batch: Any) -> Any:
            time.sleep(PAUSE_SEC)
            B = len(batch["label"])
            return {**batch, "weights": torch.ones(B, 2, 1), "decode_sec": torch.full((B,), 2.0)}

        batches: Any = super().train_dataloader().dataset
        return VideoLoader(batches, batch_size=None, collate_fn=slowly)


class Busy(pl.Callback):
    """Makes every step take 100 ms, as a network might."""

    def on_before_optimizer_step(self, *_: Any) -> None:
        time.sleep(2 * PAUSE_SEC)


def test_waiting_is_the_loader_s_time_and_no_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seen, shown = Throughput(), Progress(line_every_sec=0)
    fit = trainer(tmp_path, Busy(), seen, shown, epochs=2)
    fit.fit(task(), Slow())
    total = seen.summary()
    assert total["decode_sec"] == 2 * 10 * 2.0  # of every video of both epochs
    assert 6 * PAUSE_SEC <= total["wait_sec"] < total["model_sec"]
    assert total["model_sec"] >= 12 * PAUSE_SEC
    busy = total["wait_sec"] + total["model_sec"]
    assert busy <= total["fit_sec"]
    assert total["clips_per_sec"] == pytest.approx(2 * 10 * 2 / busy, rel=0.01)
    # the last epoch's, as every logger gets them
    metrics = fit.callback_metrics
    assert float(metrics["throughput/clips_per_sec"]) <= 20 / (9 * PAUSE_SEC)
    assert 0.15 < float(metrics["throughput/wait_share"]) < 0.5
    lines = capsys.readouterr().out.strip().splitlines()
    assert len(lines) == 8  # one after every batch, and the epochs' ends
    assert lines[0].startswith("epoch 1/2  batch 1/3  loss ")
    assert lines[0].endswith(" left")  # five steps are
    assert "% waiting for data" in lines[3]
    assert not lines[-1].endswith("left")  # nothing is


def test_an_epoch_s_figures_stand_in_its_row(tiny_run: Path) -> None:
    rows = list(csv.DictReader((tiny_run / "metrics.csv").open()))
    timings = json.loads((tiny_run / "run.json").read_text())["timings"]
    speeds = [float(row["throughput/clips_per_sec"]) for row in rows]
    assert min(speeds) <= timings["clips_per_sec"] <= max(speeds)
    # without workers the loop waits for all that is decoded
    assert timings["wait_sec"] >= timings["decode_sec"] > 0
    assert all(0 < float(row["throughput/wait_share"]) <= 1 for row in rows)


class Queue:
    """A GPU's queue, in whose events times are written as it comes to them, in ms."""

    def __init__(self, times_ms: list[float], now_ms: float) -> None:
        self.times_ms, self.now_ms = times_ms, now_ms

    def event(self) -> Any:
        queue = self

        class Event:
            def record(self) -> None:
                self.time_ms = queue.times_ms.pop(0)

            def query(self) -> bool:
                return self.time_ms <= queue.now_ms

            def elapsed_time(self, other: Event) -> float:
                return other.time_ms - self.time_ms

        return Event()


def test_a_gpu_waits_only_as_long_as_it_is_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "max_memory_reserved", lambda _: 3 * 2**30)
    monkeypatch.setattr(torch.cuda, "utilization", lambda _: 50)
    #           epoch  begin end  begin end  begin end
    times_ms = [0.0, 100.0, 300.0, 310.0, 500.0, 900.0, 950.0]
    queue = Queue(times_ms, now_ms=400.0)
    gpu = Gpu(torch.device("cpu"), queue.event)
    gpu.begin_epoch(waited_sec=5.0)
    gpu.begin_step(5.08)  # waited 80 ms; idle for 100
    gpu.end_step()
    gpu.begin_step(5.28)  # waited 200 ms, while it worked: idle for 10
    gpu.end_step()
    assert gpu.idle_sec == pytest.approx(0.08 + 0.01)
    gpu.begin_step(5.58)  # waited 300 ms, idle for 400, but it has not come so far
    gpu.end_step()
    assert gpu.idle_sec == pytest.approx(0.09)
    queue.now_ms = 1000.0
    queue.times_ms.append(1000.0)
    gpu.end_step()
    assert gpu.idle_sec == pytest.approx(0.39)
    assert gpu.figures() == {"gpu_memory_gib": 3.0, "gpu_share": 0.5}


def test_a_driver_that_does_not_tell_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def refuse(_: Any) -> int:
        asked.append(1)
        raise ModuleNotFoundError("nvidia-ml-py does not seem to be installed")

    monkeypatch.setattr(torch.cuda, "utilization", refuse)
    monkeypatch.setattr(torch.cuda, "max_memory_reserved", lambda _: 0)
    monkeypatch.setattr("stfw.callbacks.throughput.UTILISATION_EVERY_SEC", 0.0)
    gpu = Gpu(torch.device("cpu"), Queue([0.0] * 9, 0.0).event)
    gpu.begin_epoch(0.0)
    gpu.end_step()
    assert len(asked) == 1
    assert "gpu_share" not in gpu.figures()


def test_the_speed_is_left_out_with_its_callback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trainer(tmp_path, Progress(), epochs=1).fit(task(), Data())
    (line,) = capsys.readouterr().out.strip().splitlines()
    assert line.startswith("epoch 1/1  loss ")
    assert "clips/s" not in line


@pytest.mark.parametrize(
    ("seconds", "said"), [(4.2, "4 s"), (89, "89 s"), (95, "2 min"), (12000, "3 h 20 min")]
)
def test_times_are_said_as_people_do(seconds: float, said: str) -> None:
    assert short_time(seconds) == said


@pytest.mark.parametrize(("rate", "said"), [(0.456, "0.46"), (58.46, "58.5"), (12345.6, "12346")])
def test_speeds_have_three_digits_or_more(rate: float, said: str) -> None:
    assert speed(rate) == f"{said} clips/s"


def test_an_older_run_s_callback_does_not_keep_it_from_being_tested(
    stfw: Callable[..., tuple[int, str, str]], tiny_run: Path, tmp_path: Path
) -> None:
    path = tmp_path / "old.ckpt"
    content = torch.load(tiny_run / "checkpoints" / "last.ckpt", weights_only=True)
    content["stfw"]["config"]["callbacks"]["timings"] = {
        "_target_": "stfw.callbacks.timings.Timings"
    }
    torch.save(content, path)
    status, _, error = stfw("test", f"run={path}")
    assert status == 0, error
