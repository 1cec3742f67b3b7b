"""Which folder a run uses, and which checkpoint it goes on from."""

from __future__ import annotations

import os
from pathlib import Path

from omegaconf import DictConfig

from stfw.commands.ranks import hear_choice, is_rank_zero, tell_choice
from stfw.config import to_plain
from stfw.redact import redact
from stfw.runs import checkpoint_io, directory, fingerprint
from stfw.runs.config_text import flatten
from stfw.runs.directory import RunDir
from stfw.runs.find import find_checkpoint, find_resume
from stfw.types import UserError

# what may differ between a run and its continuation
FREE_ON_RESUME = (
    "data.num_workers",
    "data.start_method",
    "data.prefetch_factor",
    "data.timeout_sec",
    "data.eval_batch_size",
    "data.root",
)
HELD_ON_RESUME = (
    "clip",
    "streams",
    "encoder",
    "aggregator",
    "fusion",
    "head",
    "task",
    "optimizer",
    "data",
)


def find_start(cfg: DictConfig) -> tuple[RunDir | None, Path | None]:
    """The run to go on with and its checkpoint; writes nothing.

    Raises:
        UserError: ``resume`` names nothing, or something else than this run.
    """
    if not is_rank_zero():
        hear_choice()
    told = os.environ.get("STFW_RUN_DIR")
    if told and not is_rank_zero():  # started by rank 0, or told by it
        resume = os.environ.get("STFW_RESUME")
        return RunDir(Path(told)), Path(resume) if resume else None
    run, checkpoint = None, None
    if cfg.resume == "auto":
        kind = fingerprint.of_config(to_plain(cfg))
        found = find_resume(cfg.runs_dir, cfg.name, cfg.output_dir, kind)
        if found is not None:
            run = RunDir(found.resolve())
            try:
                checkpoint = find_checkpoint(str(found), prefer="last")
            except UserError:
                checkpoint = None  # the run died before its first checkpoint
    elif cfg.resume is not None:
        checkpoint = find_checkpoint(cfg.resume, prefer="last")
        folder = checkpoint.parent.parent
        if cfg.output_dir is None and (folder / "run.json").is_file():
            run = RunDir(folder.resolve())
    if checkpoint is not None:
        check_resume(cfg, checkpoint)
    return run, checkpoint


def choose_folder(cfg: DictConfig, old: RunDir | None, checkpoint: Path | None) -> RunDir:
    """The run's folder: the old one, or a new one that rank 0 makes.

    Processes that rank 0 starts read its choice from the environment; those that torchrun, SLURM
    or Ray start are told.
    """
    if not is_rank_zero():
        return old or RunDir(Path(cfg.output_dir or cfg.runs_dir))
    run = old or directory.create(cfg.runs_dir, cfg.name, cfg.output_dir)
    os.environ["STFW_RUN_DIR"] = str(run.path)
    os.environ["STFW_RESUME"] = str(checkpoint or "")
    tell_choice()
    return run


def check_resume(cfg: DictConfig, checkpoint: Path) -> None:
    """Refuses to go on with another network, optimizer, data or batch size.

    Raises:
        UserError: names each key with both values.
    """
    stored = checkpoint_io.load(checkpoint).get("stfw")
    if stored is None:
        raise UserError(f"{checkpoint}: not a checkpoint of stfw; start from it: init_from=...")
    before, after = (
        flatten(redact(fingerprint.without_later(plain)))
        for plain in (stored["config"], to_plain(cfg))
    )
    wrong = [
        f"{key} was {before.get(key)!r} and is {after.get(key)!r}"
        for key in sorted(before.keys() | after.keys())
        if key.split(".")[0] in HELD_ON_RESUME
        and key not in FREE_ON_RESUME
        and before.get(key) != after.get(key)
    ]
    if wrong:
        raise UserError(
            f"cannot go on from {checkpoint}: {'; '.join(wrong[:5])}; give the run's own values, "
            f"or start a new run from its weights: init_from={checkpoint}"
        )
