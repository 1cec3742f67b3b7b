"""A run directory whose every number can be checked by hand."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stfw.video.writer import write_video

NASTY = "<b>&$x$\"'"  # markup, mathematics and quotes in the name of a class
CLASSES = ("walk", NASTY, "run")
# (true, predicted, probabilities): 5 of 8 right; walk 4, NASTY 3, run 1 videos
ROWS: tuple[tuple[int, int, tuple[float, ...]], ...] = (
    (0, 0, (0.8, 0.1, 0.1)),
    (0, 0, (0.9, 0.05, 0.05)),
    (0, 0, (0.7, 0.2, 0.1)),
    (0, 1, (0.2, 0.7, 0.1)),
    (1, 1, (0.2, 0.6, 0.2)),
    (1, 1, (0.1, 0.8, 0.1)),
    (1, 0, (0.95, 0.03, 0.02)),
    (2, 0, (0.5, 0.1, 0.4)),
)


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A video of nine frames, each of one grey: 20 more than the one before."""
    path = tmp_path_factory.mktemp("clips") / "grey.mp4"
    greys_T = np.arange(9, dtype=np.uint8) * 20 + 40
    write_video(path, np.broadcast_to(greys_T[:, None, None, None], (9, 48, 64, 3)), fps=10)
    return str(path)


@pytest.fixture
def make_run(tmp_path: Path, clip: str) -> Callable[..., Path]:
    def make(
        classes: Sequence[str] = CLASSES,
        rows: Sequence[tuple[int, int, Sequence[float]]] = ROWS,
        paths: dict[int, str] | None = None,
        span: tuple[int, int] | None = None,
        **record: Any,
    ) -> Path:
        run = tmp_path / "run"
        run.mkdir(exist_ok=True)
        with (run / "predictions.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            head = ["video_id", "path", "span", "label", "predicted"]
            writer.writerow([*head, *(f"score/{name}" for name in classes)])
            for place, (label, predicted, scores) in enumerate(rows):
                path = (paths or {}).get(place, clip)
                part = f"{span[0]}+{span[1]}" if span else ""
                writer.writerow([f"video{place}", path, part, label, predicted, *scores])
        top1 = sum(label == predicted for label, predicted, _ in rows) / len(rows)
        counts = {name: sum(row[0] == k for row in rows) for k, name in enumerate(classes)}
        split = {"num_videos": len(rows), "per_class": counts}
        content = {
            "name": "a <run>",
            "command": "stfw train model=c3d output_dir=/somewhere logger.api_key=hush",
            "status": "finished",
            "reason": None,
            "started": "2026-01-02T03:04:05+00:00",
            "ended": "2026-01-02T03:06:10+00:00",
            "git": {"commit": "0123456789", "dirty": False},
            "versions": {"torch": "2.9.9"},
            "machine": {"cores": 2},
            "summary": {
                "choices": {"encoder": "c3d", "head": "linear"},
                "num_parameters": 1234567,
                "gmacs_per_view": 0.4567891,
                "views": "10x3",
            },
            "classes": list(classes),
            "data": {"fingerprint": "feed", "splits": {"train": split, "test": split}},
            "metrics": {"test/top1": top1, "test/mean_class_acc": 0.4321},
            "timings": {
                "decode_sec": 90.0,
                "wait_sec": 10.0,
                "model_sec": 30.0,
                "rest_sec": 10.0,
                "fit_sec": 50.0,
                "clips_per_sec": 12.5,
            },
            **record,
        }
        (run / "run.json").write_text(json.dumps(content))
        (run / "metrics.csv").write_text(
            "epoch,step,lr,train/loss,train/top1,val/loss,val/top1\n"
            "0,10,0.1,2.0,0.2,2.1,0.25\n1,20,0.05,1.5,0.4,1.6,0.875\n2,30,0.01,1.0,0.6,1.65,\n"
        )
        (run / "config.yaml").write_text("seed: 1\nlogger:\n  api_key: hush\n  name: <script>\n")
        (run / "overrides.txt").write_text("model=c3d\nname=my run\noutput_dir=/somewhere\n")
        return run

    return make
