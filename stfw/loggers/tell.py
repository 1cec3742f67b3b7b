"""What the loggers of a run are told beside its curves. Everything is without secrets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stfw.redact import redact, redact_text
from stfw.runs.directory import RunDir

FACTS = ("name", "command", "summary", "versions", "machine", "git", "data", "group")


def begin(
    loggers: Sequence[Any], run: RunDir, config: Mapping[str, Any], checkpoint: Path | None
) -> None:
    """Gives every logger the config and, under ``run``, what ``run.json`` says of code and machine.

    Args:
        loggers: of the trainer.
        run: whose record is written.
        config: the resolved config, plain.
        checkpoint: that the run goes on from.
    """
    if not loggers:
        return
    record = run.read()
    facts = {key: record[key] for key in FACTS if record.get(key) is not None}
    if "data" in facts:
        facts["data"] = {
            "fingerprint": facts["data"].get("fingerprint"),
            **{f"num_{k}": split["num_videos"] for k, split in facts["data"]["splits"].items()},
        }
    told = redact({**config, "run": {"folder": str(run.path), **facts}})
    step = _step(checkpoint) if checkpoint is not None else None
    for logger in loggers:
        if step is not None and hasattr(logger, "go_on"):
            logger.go_on(step)
        logger.log_hyperparams(told)


def show_worst(trainer: Any, run_dir: Path) -> None:
    """Shows the worst clips of the test to the loggers that show pictures."""
    takers = [logger for logger in trainer.loggers if getattr(logger, "num_worst", 0)]
    if not takers:
        return
    from stfw.loggers.worst import worst_clips

    try:
        clips = worst_clips(run_dir, max(logger.num_worst for logger in takers))
        for logger in takers:
            logger.log_worst(clips, trainer.global_step)
    except Exception as error:  # pictures must not cost the run that they are of
        print(f"warning: the loggers show no clips: {redact_text(str(error))}")


def finish(loggers: Sequence[Any], status: str) -> None:
    """Ends the loggers, ``success`` or ``failed``; one that cannot end costs a warning."""
    for logger in loggers:
        try:
            logger.finalize(status)
            if hasattr(logger, "close"):
                logger.close(status)
        except Exception as error:  # of whichever server
            print(f"warning: {type(logger).__name__}: {redact_text(str(error))}")


@contextmanager
def unheard(trainer: Any) -> Iterator[None]:
    """Within, loggers hear nothing: an evaluation that is no point of a curve."""
    loggers, trainer.loggers = trainer.loggers, []
    try:
        yield
    finally:
        trainer.loggers = loggers


def _step(checkpoint: Path) -> int:
    import torch

    state = torch.load(checkpoint, map_location="meta", weights_only=True)
    return int(state["global_step"])
