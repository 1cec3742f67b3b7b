"""What training offers, from the command line."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch

from stfw.assemble import check
from stfw.callbacks.metrics_csv import MetricsCsv
from stfw.config import compose, conf_dir, groups
from stfw.types import UserError
from tests.command_line import TINY, learnt

Call = Callable[..., tuple[int, str, str]]
LARGE = ["clip.crop_size=224", "clip.short_side=224"]


def test_callbacks_are_added_to_the_default_ones() -> None:
    default = list(compose("train", []).cfg.callbacks)
    assert list(compose("train", ["callbacks=ema"]).cfg.callbacks) == [*default, "ema"]
    several = compose("train", ["callbacks=[swa,precise_bn]", "callbacks.swa.start=3"]).cfg
    assert list(several.callbacks) == [*default, "swa", "precise_bn"]
    assert several.callbacks.swa.start == 3
    fewer = compose("train", ["callbacks=[ema]", "~callbacks.ema", "~callbacks.progress"]).cfg
    assert list(fewer.callbacks) == [name for name in default if name != "progress"]
    with pytest.raises(UserError, match=r"callbacks=emma: no such option; did you mean 'ema'"):
        compose("train", ["callbacks=emma"])


def test_an_experiment_s_callbacks_stay_beside_those_that_are_added(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text(
        "# @package _global_\n"
        "defaults:\n  - override /callbacks: [ema]\n"
        "callbacks:\n  best:\n    monitor: val/top5\n  ema:\n    decay: 0.5\n"
    )
    monkeypatch.setenv("STFW_CONF", str(tmp_path))
    cfg = compose("train", ["experiment=mine", "callbacks.ema.warmup=false"]).cfg
    assert (cfg.callbacks.ema.decay, cfg.callbacks.best.monitor) == (0.5, "val/top5")
    cfg = compose("train", ["experiment=mine", "callbacks=[ema,swa]"]).cfg
    assert (cfg.callbacks.ema.decay, cfg.callbacks.best.monitor) == (0.5, "val/top5")
    assert "swa" in cfg.callbacks


def test_the_scaled_rate_is_told_kept_and_learnt_with(stfw: Call, tmp_path: Path) -> None:
    run = tmp_path / "run"
    words = ["optimizer.base_batch_size=2", "trainer.accumulate_grad_batches=2", "test=false"]
    words += ["trainer.max_epochs=1", "scale_lr=linear", f"output_dir={run}"]
    status, told, error = stfw("train", *TINY, *words)
    assert status == 0, error
    assert "batch 8 over 1 device   lr 0.04 (linear, 0.01 for 2)" in told
    assert json.loads((run / "run.json").read_text())["summary"]["lr"] == pytest.approx(0.04)
    kept = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    assert kept["optimizer_states"][0]["param_groups"][0]["initial_lr"] == pytest.approx(0.04)
    assert kept["global_step"] == 2  # 16 videos in steps of 8


def test_many_features_in_one_run(stfw: Call, tmp_path: Path) -> None:
    run = tmp_path / "run"
    words = [
        "callbacks=[swa,precise_bn,early_stopping]",
        "callbacks.swa.start=1",
        "callbacks.early_stopping.min_delta=2",  # no top-1 is better by 2
        "callbacks.early_stopping.patience=1",
        "trainer.max_epochs=4",
        "trainer.precision=bf16-mixed",
        "trainer.gradient_clip_val=1",
        "data.balance=class",
        "data.repeats=2",
        "loss=focal",
        "loss.class_weights=sqrt",
        "lr_scheduler=onecycle",
        "transform.batch.mixup.prob=0.5",
        "transform.batch.cutmix.prob=0.5",
        "task.finetune.decay_norms=false",
        f"output_dir={run}",
    ]
    status, told, error = stfw("train", *TINY, *words)
    assert status == 0, error
    assert "callbacks=early_stopping,precise_bn,swa" in told
    assert "stopped early: val/top1 has not improved for 1 validations" in told
    assert "epoch 2/4" in told
    assert "epoch 3/4" not in told
    status, told, error = stfw("test", f"run={run}", "views=2x1")  # the average, by itself
    assert status == 0, error


def test_clips_grow_in_a_multigrid_run(stfw: Call, tmp_path: Path) -> None:
    words = ["multigrid=long", "data.batch_size=2", "trainer.max_epochs=3", "test=false"]
    status, told, error = stfw("train", *TINY, *words, f"output_dir={tmp_path / 'run'}")
    assert status == 0, error
    assert "multigrid, batch x T H W: 8 x 1x11x11, 4 x 2x11x11, 2 x 2x16x16, 1 x 4x16x16" in told
    content = torch.load(tmp_path / "run" / "checkpoints" / "last.ckpt", weights_only=True)
    told_steps = int(told.split(" steps")[0].split()[-1])
    assert content["global_step"] == told_steps


def test_a_run_with_an_average_that_was_cut_short_goes_on_bit_for_bit(
    stfw: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    common = [*TINY, "test=false", "head.dropout=0.5", "callbacks=[precise_bn,ema]"]
    common += ["multigrid=short", "data.balance=sqrt", "transform.batch.mixup.prob=1"]
    assert stfw("train", *common, f"output_dir={whole}")[0] == 0

    def cut(self: MetricsCsv, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if trainer.current_epoch == 1:
            raise RuntimeError("the power is gone")

    with monkeypatch.context() as patch:
        patch.setattr(MetricsCsv, "on_train_epoch_start", cut)
        with pytest.raises(RuntimeError, match="the power is gone"):
            stfw("train", *common, f"output_dir={parts}")
    status, told, error = stfw("train", *common, f"output_dir={parts}", "resume=auto")
    assert status == 0, error
    assert "going on from" in told
    files = [folder / "checkpoints" / "last.ckpt" for folder in (whole, parts)]
    one, other = (torch.load(file, weights_only=True) for file in files)
    for key in ("state_dict", "current_model_state", "averaging_state"):
        assert all(torch.equal(one[key][name], other[key][name]) for name in one[key]), key
    assert learnt(whole) == learnt(parts)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["callbacks=ema", "callbacks.ema.decay=2"], "callbacks.ema.decay=2 is not in 0..1"),
        (["callbacks=ema", "callbacks.ema.dekay=2"], "callbacks.ema.dekay: no such key; did you"),
        (
            ["callbacks=early_stopping", "callbacks.early_stopping.monitor=val/top2"],
            "callbacks.early_stopping.monitor=val/top2: no such score; did you mean 'val/top",
        ),
        (["lr_scheduler=plateau", "lr_scheduler.monitor=loss/val"], "lr_scheduler.monitor=loss/"),
        (["callbacks.best.monitor=val/loss"], "give callbacks.best.mode=min too"),
        (["trainer.max_epochs=null"], "max_epochs=null: the schedules count the epochs of a run"),
        (["scale_lr=cubic"], "scale_lr: 'cubic' is not one of linear, sqrt, off"),
        (["optimizer.base_batch_size=1.5"], "optimizer.base_batch_size: 1.5 is not int or null"),
        (["optimizer.base_batch_size=0"], "optimizer.base_batch_size=0 is below 1"),
        (["compile=fast"], "compile: 'fast' is not one of default"),
        (["activation_checkpointing=true"], "the encoder of rgb, StConv, has no blocks"),
        (["data.balance=classes"], "data.balance: 'classes' is not one of none, sqrt, class"),
        (["loss.class_weights=[1,2]"], "loss.class_weights has 2 numbers, and the data 8 classes"),
        (["multigrid=long", "clip.num_frames=6"], "a quarter of clip.num_frames=6"),
        (
            ["multigrid=short", "encoder=timm", "encoder.name=vit_tiny_patch16_224", *LARGE],
            "multigrid: the network cannot take clips of 4x112x112 (T H W): Input height (112)",
        ),
    ],
)
def test_mistakes_are_one_sentence(
    stfw: Call, tmp_path: Path, words: list[str], message: str
) -> None:
    status, _, told = stfw("train", *TINY, *words, f"output_dir={tmp_path / 'run'}")
    assert status == 2
    assert message in told
    assert "Traceback" not in told


@pytest.mark.skipif(torch.cuda.is_available(), reason="they are refused where there is no GPU")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["trainer=fsdp"], "trainer=fsdp shards over GPUs, and torch sees none here"),
        (["trainer.sync_batchnorm=true"], "trainer.sync_batchnorm=true works between GPUs alone"),
    ],
)
def test_what_needs_a_gpu_says_so(stfw: Call, words: list[str], message: str) -> None:
    status, _, told = stfw("train", *TINY, *words)
    assert status == 2
    assert message in told


PAGE = Path(__file__).parents[2] / "docs" / "training.md"


def documented() -> list[list[str]]:
    """What the first column of the table says to type."""
    rows = re.findall(r"^\| `([^`]+)` \|", PAGE.read_text(), re.MULTILINE)
    return [row.split() for row in rows]


def test_every_row_of_the_table_composes_and_fits_the_code() -> None:
    rows = documented()
    assert len(rows) > 30
    for words in rows:
        check(compose("train", words).cfg)
    for words in re.findall(r"^stfw tune (\w+) (.*?) *#", PAGE.read_text(), re.MULTILINE):
        module = importlib.import_module(f"stfw.commands.tune.{words[0]}")
        given = module.parser().parse_args(words[1].split())
        check(compose("train", given.overrides).cfg)


def test_every_option_of_the_groups_is_in_the_table() -> None:
    text = PAGE.read_text()
    shown = groups(conf_dir())
    missing = [
        f"{group}={option}"
        for group in ("callbacks", "loss", "lr_scheduler", "multigrid")
        for option in shown[group]
        if f"`{group}={option}`" not in text and f"`{option}`" not in text
    ]
    assert missing == ["loss=cross_entropy"]  # the default
