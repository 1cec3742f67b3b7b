"""``stfw train`` from the command line to the run's folder."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.command_line import TINY, learnt

Call = Callable[..., tuple[int, str, str]]


def run_json(folder: Path) -> dict:
    return json.loads((folder / "run.json").read_text())


def weights(path: Path) -> dict[str, torch.Tensor]:
    return torch.load(path, weights_only=True)["state_dict"]


def test_the_run_s_folder_holds_what_it_should(tiny_run: Path) -> None:
    names = {str(p.relative_to(tiny_run)) for p in tiny_run.rglob("*") if p.is_file()}
    assert {
        "config.yaml",
        "overrides.txt",
        "run.json",
        "metrics.csv",
        "predictions.csv",
        "report.html",
        "checkpoints/best.ckpt",
        "checkpoints/best.ckpt.sha256",
        "checkpoints/last.ckpt",
        "checkpoints/last.ckpt.sha256",
    } <= names
    record = run_json(tiny_run)
    assert record["status"] == "finished"
    assert record["summary"]["num_parameters"] > 10_000
    assert record["summary"]["gmacs_per_view"] > 0
    assert record["summary"]["num_steps"] == 8
    assert record["data"]["splits"]["test"]["num_videos"] == 9
    assert record["data"]["splits"]["test"]["per_class"]["right"] == 2
    assert record["timings"]["decode_sec"] > 0
    rows = list(csv.DictReader((tiny_run / "metrics.csv").open()))
    assert [row["epoch"] for row in rows] == ["0", "1"]
    assert all(float(row["train/loss"]) > 0 for row in rows)


def test_predictions_and_metrics_agree(tiny_run: Path) -> None:
    rows = list(csv.DictReader((tiny_run / "predictions.csv").open()))
    assert len({row["video_id"] for row in rows}) == 9
    right = sum(row["label"] == row["predicted"] for row in rows) / 9
    assert run_json(tiny_run)["metrics"]["test/top1"] == pytest.approx(right, abs=1e-5)
    for row in rows:
        scores = [float(value) for name, value in row.items() if name.startswith("score/")]
        assert sum(scores) == pytest.approx(1, abs=1e-4)


def test_the_plan_is_told_and_the_result_is_the_last_line(stfw: Call, tmp_path: Path) -> None:
    status, told, _ = stfw("train", *TINY, f"output_dir={tmp_path / 'r'}", "trainer.max_epochs=1")
    assert status == 0
    assert "encoder=stconv" in told
    assert "GMACs per view" in told
    assert "4 steps" in told
    assert "epoch 1/1  loss " in told
    last = told.strip().splitlines()[-1]
    assert last.startswith("test/top1 0.")
    assert last.endswith("/r")


def test_resume_goes_on_bit_for_bit(stfw: Call, tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    common = [*TINY, "test=false", "head.dropout=0.5", "trainer.max_epochs=3"]
    assert stfw("train", *common, f"output_dir={whole}")[0] == 0
    code = f"""
import os, sys
from pytorch_lightning import Callback
from stfw.callbacks.throughput import Throughput
def die(self, trainer, module):
    if trainer.current_epoch == 1:
        os._exit(9)
Throughput.on_train_epoch_start = die
from stfw.cli import main
main(["train", *{common!r}, "output_dir={parts}"])
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 9
    assert run_json(parts)["status"] == "running"
    status, told, _ = stfw("train", *common, f"output_dir={parts}", "resume=auto")
    assert status == 0
    assert "going on from" in told
    first, second = (weights(f / "checkpoints" / "last.ckpt") for f in (whole, parts))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert learnt(whole) == learnt(parts)
    assert run_json(parts)["status"] == "finished"


def test_the_last_epoch_is_kept_when_the_score_no_longer_improves(
    stfw: Call, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    worse = ["callbacks.best.monitor=epoch", "callbacks.best.mode=min"]  # the first is the best
    words = [*TINY, "trainer.max_epochs=3", *worse, f"output_dir={run}"]
    assert stfw("train", *words)[0] == 0
    kept = {
        name: torch.load(run / "checkpoints" / f"{name}.ckpt", weights_only=True)
        for name in ("best", "last")
    }
    assert {name: content["epoch"] for name, content in kept.items()} == {"best": 0, "last": 2}
    (state,) = (v for k, v in kept["last"]["callbacks"].items() if "'epoch'" in k)
    assert state["best_model_path"].endswith("best.ckpt")
    assert float(state["best_model_score"]) == 0
    # what is told of validation is told of the weights that were tested
    rows = list(csv.DictReader((run / "metrics.csv").open()))
    first, last = (float(rows[nth]["val/loss"]) for nth in (0, 2))
    assert run_json(run)["metrics"]["val/loss"] == pytest.approx(first, abs=1e-4)
    assert abs(first - last) > 1e-3


def test_resume_auto_finds_the_unfinished_run_of_the_same_kind(
    stfw: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    common = [*TINY, "test=false", "trainer.max_epochs=1", "name=x"]
    assert stfw("train", *common)[0] == 0
    (first,) = (tmp_path / "runs" / "x").iterdir()
    assert stfw("train", *common, "resume=auto")[0] == 0  # finished: a new run
    assert len(list((tmp_path / "runs" / "x").iterdir())) == 2
    record = run_json(first)
    record["status"] = "running"
    (first / "run.json").write_text(json.dumps(record))
    assert stfw("train", *common, "resume=auto", "seed=1")[0] == 0  # of another kind: new
    assert len(list((tmp_path / "runs" / "x").iterdir())) == 3
    status, told, _ = stfw("train", *common, "resume=auto")
    assert status == 0
    assert first.name in told.split("going on from")[1]
    assert len(list((tmp_path / "runs" / "x").iterdir())) == 3


def test_resume_falls_back_from_a_damaged_checkpoint_and_says_so(
    stfw: Call, tiny_run: Path, tmp_path: Path
) -> None:
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(tiny_run, copy)
    last = copy / "checkpoints" / "last.ckpt"
    last.write_bytes(last.read_bytes()[:-100])
    words = ["train", *TINY, "trainer.max_epochs=3", "test=false"]
    status, told, _ = stfw(*words, f"output_dir={copy}", "resume=auto")
    assert status == 0
    assert "last.ckpt: the file does not match its checksum" in told
    status, _, told = stfw(*words, f"resume={last}")
    assert status in (0, 2)
    last.write_bytes(b"")
    status, _, told = stfw(*words, f"resume={last}")
    assert status == 2
    assert "the file is empty" in told


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("data.batch_size=2", "data.batch_size was 4 and is 2"),
        ("encoder.channels=[8,8,8]", "encoder.channels was [16, 32, 64] and is [8, 8, 8]"),
        ("data.num_train=24", "data.num_train was 16 and is 24"),
    ],
)
def test_resume_with_something_else_is_refused_with_both_values(
    stfw: Call, tiny_run: Path, change: str, message: str
) -> None:
    status, _, told = stfw("train", *TINY, f"resume={tiny_run}", change)
    assert status == 2
    assert message in told


def test_init_from_takes_the_weights_and_leaves_another_head(
    stfw: Call, tiny_run: Path, tmp_path: Path
) -> None:
    frozen = ["optimizer.lr=0", "trainer.max_epochs=1", "test=false", "optimizer.weight_decay=0"]
    words = ["train", *TINY, *frozen, f"init_from={tiny_run}"]
    status, told, _ = stfw(*words, f"output_dir={tmp_path / 'same'}")
    assert status == 0
    assert "weights: 20 of 20 tensors" in told
    before = weights(tiny_run / "checkpoints" / "best.ckpt")
    after = weights(tmp_path / "same" / "checkpoints" / "last.ckpt")
    name = "network.encoders.rgb.blocks.0.weight"
    assert torch.equal(before[name], after[name])

    cues = ["data.cues=[motion,sound]", "data.num_train=16", "data.num_val=16", "data.num_test=16"]
    status, told, _ = stfw(*words, *cues, f"output_dir={tmp_path / 'head'}")
    assert status == 0
    assert "new: head.fc.weight, head.fc.bias" in told

    status, _, told = stfw(*words, "encoder.channels=[8,8,8]", f"output_dir={tmp_path / 'no'}")
    assert status == 2
    assert "of another network" in told


def test_workers_may_be_spawned(stfw: Call, tmp_path: Path) -> None:
    status, told, _ = stfw(
        "train",
        *TINY,
        "trainer.max_epochs=1",
        "test=false",
        "data.num_workers=1",
        "data.start_method=spawn",
        f"output_dir={tmp_path / 'r'}",
    )
    assert status == 0
    assert "val/top1" in told


@pytest.mark.parametrize("model", ["frame_cnn", "lrcn"])
def test_other_presets_train(stfw: Call, tmp_path: Path, model: str) -> None:
    words = [word for word in TINY if not word.startswith("clip.num_frames")]
    small = ["trainer.max_epochs=1", "clip.short_side=40", "clip.crop_size=32", "trainer=debug"]
    status, told, _ = stfw(
        "train", f"model={model}", *words, *small, f"output_dir={tmp_path / 'r'}"
    )
    assert status == 0
    assert told.strip().splitlines()[-1].startswith("test/top1")


@pytest.mark.parametrize("logger", ["wandb", "tensorboard"])
def test_loggers_write_beside_the_csv(stfw: Call, tmp_path: Path, logger: str) -> None:
    folder = tmp_path / "r"
    words = ["trainer.max_epochs=1", "test=false", f"logger={logger}", f"output_dir={folder}"]
    assert stfw("train", *TINY, *words)[0] == 0
    assert (folder / "metrics.csv").is_file()
    pattern = {"wandb": "wandb/offline-run-*/run-*.wandb", "tensorboard": "tensorboard/events.*"}
    assert list(folder.glob(pattern[logger]))


def test_ctrl_c_is_told_and_the_run_goes_on_later(stfw: Call, tmp_path: Path) -> None:
    words = ["train", *TINY, "trainer.max_epochs=40", f"output_dir={tmp_path / 'run'}"]
    with subprocess.Popen(
        [sys.executable, "-m", "stfw", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        for line in process.stdout:
            if line.startswith("epoch 3/40"):  # the second epoch's checkpoint stands
                process.send_signal(signal.SIGINT)
                break
        process.stdout.read()
        assert process.wait() == 130
        assert process.stderr.read().strip().splitlines()[-1] == "stopped"
    run = json.loads((tmp_path / "run" / "run.json").read_text())
    assert (run["status"], run["reason"]) == ("interrupted", "stopped by a signal")
    status, told, error = stfw("train", *TINY, "trainer.max_epochs=5", f"resume={tmp_path / 'run'}")
    assert status == 0, error
    assert "epoch 1/5" not in told
