"""One run: check, train, test, report."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from stfw.assemble import assemble_data, assemble_network, assemble_task, check, prepare_network
from stfw.build import Build
from stfw.commands.preflight import (
    check_data,
    check_devices,
    check_labels,
    check_monitors,
    share_cores,
)
from stfw.commands.ranks import check_processes, is_rank_zero, make_trainer
from stfw.commands.resume import choose_folder, find_start
from stfw.commands.start import open_start
from stfw.config import Composed, to_plain
from stfw.data.bad_samples import read_counts
from stfw.loggers import tell
from stfw.redact import learn, redact, redact_override
from stfw.runs import directory, fingerprint
from stfw.runs.directory import RunDir


@dataclass
class Setup:
    """Everything of a run that stands before its first step."""

    cfg: DictConfig
    run: RunDir
    data: Any
    task: Any
    trainer: Any
    checkpoint: Path | None  # to go on from


def train(composed: Composed) -> str:
    """Trains, tests, reports. Returns the result line."""
    cfg = composed.cfg
    check(cfg)
    learn(to_plain(cfg))
    import pytorch_lightning as pl  # heavy, and not before the config is known to be right

    from stfw.logs import quiet

    quiet()
    pl.seed_everything(cfg.seed, verbose=False)
    if cfg.name is None:
        cfg.name = f"{composed.choices['model']}_{composed.choices['data']}"
    # everything that may be wrong is looked at before anything is written
    check_devices(cfg)
    check_processes(cfg)
    old, checkpoint = find_start(cfg)
    weights = open_start(cfg, composed.choices) if checkpoint is None else None
    data = assemble_data(cfg, Build())
    check_data(data.splits, data.reader.classes)
    check_labels(cfg, data.splits["train"])
    run = choose_folder(cfg, old, checkpoint)
    cfg.output_dir = str(run.path)
    try:
        setup = prepare(composed, run, data, checkpoint, weights)
    except BaseException as error:
        close(run, error)
        raise
    try:
        setup.trainer.fit(setup.task, setup.data, ckpt_path=setup.checkpoint)
        if setup.trainer.interrupted:
            raise KeyboardInterrupt
        metrics = scores(setup.trainer, "val/")
        if cfg.test:
            tested = best_checkpoint(setup.trainer) if cfg.test_checkpoint == "best" else None
            if keeps_val_scores(setup.trainer):
                with tell.unheard(setup.trainer):
                    setup.trainer.validate(setup.task, setup.data, ckpt_path=tested, verbose=False)
                metrics = scores(setup.trainer, "val/")  # of the weights that are tested
            setup.trainer.test(setup.task, setup.data, ckpt_path=tested, verbose=False)
            metrics |= scores(setup.trainer, "test/")
            if setup.trainer.is_global_zero:
                tell.show_worst(setup.trainer, run.path)
        tell.finish(setup.trainer.loggers, "success")
    except BaseException as error:
        close(run, error)
        tell.finish(setup.trainer.loggers, "failed")
        if isinstance(error, SystemExit) and setup.trainer.interrupted:
            raise KeyboardInterrupt from error  # Lightning leaves with status 1, saying nothing
        raise
    if setup.trainer.is_global_zero:
        run.update(
            metrics=metrics,
            timings=timings(setup.trainer),
            skipped=read_counts(run.path / "bad_samples.jsonl"),
            status="finished",
            reason=None,
            ended=now(),
        )
        from stfw.reports.page import write_report

        print(f"report {write_report(run.path)}")
        for split, count in run.read()["skipped"].items():
            print(f"{count} {split} videos could not be read: see {run.path}/bad_samples.jsonl")
    return result_line(metrics, run.path)


def prepare(
    composed: Composed, run: RunDir, data: Any, checkpoint: Path | None, weights: Any = None
) -> Setup:
    """Builds network, task and trainer; prints and stores the plan."""
    from stfw.commands.plan import describe_data, effective_batch_size, make_plan, show
    from stfw.runs.checkpoint_io import SafeCheckpointIO
    from stfw.runs.weights import start_from
    from stfw.tasks.lr_scaling import lr_factor

    cfg, build = composed.cfg, Build()
    classes = data.reader.classes
    network = assemble_network(cfg, build, len(classes))
    console = Console(highlight=False, soft_wrap=True)
    plain = to_plain(cfg)
    shown = redact(plain)  # in all that is written or sent; the run itself goes by cfg
    note = start_from(network, weights, classes) if weights is not None else None
    task = assemble_task(cfg, build, network, classes, data.splits["train"])
    task.checkpoint_extra = {"config": shown, "classes": list(classes), "choices": composed.choices}
    check_monitors(cfg, task)
    trainer = make_trainer(cfg, build, [SafeCheckpointIO()])
    share_cores(trainer, data.num_workers)
    batch_size = effective_batch_size(cfg, data, trainer.world_size)
    task.lr_factor = lr_factor(batch_size, cfg.optimizer.get("base_batch_size"), cfg.scale_lr)
    data.bad_samples.path = run.path / "bad_samples.jsonl"
    if is_rank_zero():
        before, paused_sec = run.read(), round(run.silent_sec())
        plan = make_plan(
            cfg,
            composed.choices,
            network,
            data,
            trainer.world_size,
            task.lr_factor,
        )
        described = describe_data(data)
        directory.write_text(run.path / "config.yaml", OmegaConf.to_yaml(OmegaConf.create(shown)))
        overrides = [redact_override(text) for text in composed.overrides]
        directory.write_text(run.path / "overrides.txt", "".join(f"{o}\n" for o in overrides))
        run.update(
            name=cfg.name,
            command=directory.command_line(),
            overrides=overrides,
            group=os.environ.get(directory.GROUP),
            process=directory.this_process(),
            status="running",
            reason=None,
            started=before.get("started", now()),
            paused_sec=before.get("paused_sec", 0) + paused_sec,
            config_fingerprint=fingerprint.of_config(plain),
            summary=plan,
            classes=list(classes),
            data=described,
            **directory.environment(),
        )
        tell.begin(trainer.loggers, run, shown, checkpoint)
        show(plan, described, console)
        if note:
            console.print(f"weights: {note}")
        finetune = getattr(task, "finetune", None)  # a task of your own may have none
        if finetune is not None and (tuning := finetune.describe(network)):
            console.print(f"fine-tuning: {tuning}")
        if checkpoint is not None:
            console.print(f"going on from {checkpoint}")
        console.print(f"run {run.path}")
    prepare_network(cfg, network)  # after its size has been counted
    return Setup(cfg, run, data, task, trainer, checkpoint)


def scores(trainer: Any, prefix: str) -> dict[str, float]:
    """The trainer's last metrics whose name begins with ``prefix``."""
    return {
        name: round(float(value), 6)
        for name, value in trainer.callback_metrics.items()
        if name.startswith(prefix)
    }


def best_checkpoint(trainer: Any) -> str | None:
    """The best checkpoint's path, or None (the weights as they are) where none was kept."""
    from stfw.callbacks.checkpoint import Best

    kept = (c.best_model_path for c in trainer.callbacks if isinstance(c, Best))
    return next(kept, None) or None


def keeps_val_scores(trainer: Any) -> bool:
    """Whether the best checkpoint's validation scores are to be written."""
    from stfw.callbacks.predictions_csv import PredictionsCsv

    return any(isinstance(c, PredictionsCsv) and c.val_path for c in trainer.callbacks)


def timings(trainer: Any) -> dict[str, float]:
    """Seconds by stage, where the throughput callback was kept."""
    from stfw.callbacks.throughput import Throughput

    return next((c.summary() for c in trainer.callbacks if isinstance(c, Throughput)), {})


def result_line(metrics: dict[str, float], path: Path) -> str:
    """``test/top1 0.934  runs/...``"""
    name = next((n for n in ("test/top1", "val/top1") if n in metrics), None)
    score = f"{name} {metrics[name]:.3f}  " if name else ""
    shown = os.path.relpath(path)
    return f"{score}{path if shown.startswith('..') else shown}"


def close(run: RunDir, error: BaseException) -> None:
    """Writes how a run ended early."""
    if not is_rank_zero() or not run.path.is_dir():
        return
    stopped = isinstance(error, KeyboardInterrupt | SystemExit)
    reason = " ".join(str(error).split()) or type(error).__name__
    if stopped:
        reason = "stopped by a signal"
    run.update(
        status="interrupted" if stopped else "failed",
        reason=reason[:500],
        skipped=read_counts(run.path / "bad_samples.jsonl"),
        ended=now(),
    )
    if (run.path / "metrics.csv").is_file():
        from stfw.reports.page import write_report

        with contextlib.suppress(Exception):  # the error itself is what the person must see
            write_report(run.path)


def now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
