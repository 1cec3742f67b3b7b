"""Which folder a run uses, and which checkpoint it goes on from."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from stfw.config import to_plain
from stfw.runs import checkpoint_io, directory, fingerprint
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
HELD_ON_RESUME = ("clip", "streams", "encoder", "aggregator", "fusion", "head", "optimizer", "data")


def choose_run(cfg: DictConfig) -> tuple[RunDir, Path | None]:
    """The run's folder, new or old, and the checkpoint to go on from.

    Rank 0 chooses; processes that it starts read its choice from the environment, and processes
    started by torchrun or SLURM write nothing.
    """
    told = os.environ.get("STFW_RUN_DIR")
    if told and not is_rank_zero():
        resume = os.environ.get("STFW_RESUME")
        return RunDir(Path(told)), Path(resume) if resume else None
    run, checkpoint = None, None
    if cfg.resume == "auto":
        found = find_resume(
            cfg.runs_dir, cfg.name, cfg.output_dir, fingerprint.of_config(to_plain(cfg))
        )
        if found is not None:
            run = RunDir(found.resolve())
            try:
                checkpoint = find_checkpoint(str(found), prefer="last")
            except UserError:
                checkpoint = None  # the run died before its first checkpoint
    elif cfg.resume is not None:
        checkpoint = find_checkpoint(cfg.resume, prefer="last")
        folder = checkpoint.parent.parent
        run = RunDir(folder.resolve()) if (folder / "run.json").is_file() else None
        if cfg.output_dir is not None:
            run = None
    if checkpoint is not None:
        check_resume(cfg, checkpoint)
    if run is None and is_rank_zero():
        run = directory.create(cfg.runs_dir, cfg.name, cfg.output_dir)
    elif run is None:
        run = RunDir(Path(cfg.output_dir or cfg.runs_dir))
    if is_rank_zero():
        os.environ["STFW_RUN_DIR"] = str(run.path)
        os.environ["STFW_RESUME"] = str(checkpoint or "")
    return run, checkpoint


def check_resume(cfg: DictConfig, checkpoint: Path) -> None:
    """Refuses to go on with another network, optimizer, data or batch size.

    Raises:
        UserError: names each key with both values.
    """
    stored = checkpoint_io.load(checkpoint).get("stfw")
    if stored is None:
        raise UserError(f"{checkpoint}: not a checkpoint of stfw; start from it: init_from=...")
    before, after = flatten(stored["config"]), flatten(to_plain(cfg))
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


def flatten(tree: Any, prefix: str = "") -> dict[str, Any]:
    """``{"a": {"b": 1}}`` -> ``{"a.b": 1}``."""
    if not isinstance(tree, dict):
        return {prefix: tree}
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat |= flatten(value, f"{prefix}.{key}" if prefix else str(key))
    return flat


def is_rank_zero() -> bool:
    """Whether this process is the one that writes (before any process group exists)."""
    for name in ("RANK", "SLURM_PROCID", "LOCAL_RANK"):
        if os.environ.get(name):
            return os.environ[name] == "0"
    return True
