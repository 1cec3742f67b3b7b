"""Five small run folders whose every value can be checked by eye."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SPLIT = {"num_videos": 16, "per_class": {"left": 8, "right": 8}}


def write_run(folder: Path, top1: float | None, lr: float, **record: Any) -> Path:
    """Writes a run; without a score it has neither metrics nor an epoch."""
    folder.mkdir(parents=True)
    model = record.pop("model", "c3d")
    content = {
        "name": folder.parent.name,
        "overrides": [f"model={model}", "data=toy", f"optimizer.lr={lr}"],
        "status": "finished",
        "summary": {"choices": {"model": model, "data": "toy"}, "seed": 0},
        "classes": ["left", "right"],
        "data": {"fingerprint": "feed", "splits": {"train": SPLIT}},
        "versions": {"torch": "2.9.9"},
        "machine": {"cores": 2},
        "git": {"commit": "0123456789", "dirty": False},
        **record,
    }
    if top1 is not None:
        content["metrics"] = {
            "val/top1": top1,
            "test/top1": round(top1 - 0.1, 3),
            "val/loss": 1 - top1,
        }
        (folder / "checkpoints").mkdir()
        for name, size in (("best.ckpt", 1000), ("best.ckpt.sha256", 10), ("last.ckpt", 500)):
            (folder / "checkpoints" / name).write_bytes(b"x" * size)
        (folder / "metrics.csv").write_text(f"epoch,step,lr,val/top1\n0,4,{lr},0.2\n1,8,0,{top1}\n")
    (folder / "run.json").write_text(json.dumps(content))
    (folder / "config.yaml").write_text(
        f"optimizer:\n  _target_: torch.optim.SGD\n  lr: {lr}\n  betas:\n  - 0.9\n  - 0.999\n"
        f"logger: {{}}\nseed: 0\noutput_dir: {folder}\nout: {folder}/x\n"
    )
    return folder


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that ``runs`` lies in; it is the working directory."""
    monkeypatch.chdir(tmp_path)
    root, day = tmp_path / "runs", "2026-01-0{}T12:00:00+00:00"
    write_run(root / "c3d_toy" / "2026-01-01_12-00-00-aaaaaa", 0.5, 0.1, started=day.format(1))
    write_run(root / "c3d_toy" / "2026-01-02_12-00-00-bbbbbb", 0.7, 0.01, started=day.format(2))
    write_run(root / "i3d_toy" / "2026-01-03_12-00-00-cccccc", 0.9, 0.01, started=day.format(3),
              model="i3d", ended="2026-01-03T14:30:00+00:00", classes=["left", "up"])  # fmt: skip
    write_run(root / "i3d_toy" / "2026-01-04_12-00-00-dddddd", None, 0.01, started=day.format(4),
              model="i3d", status="failed", reason="out of memory")  # fmt: skip
    write_run(root / "loose", 0.6, 0.3, started=day.format(5), status="interrupted")
    return tmp_path


Call = Callable[..., tuple[int, str, str]]
