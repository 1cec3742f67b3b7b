"""``stfw train -m`` and ``launcher=...``: many runs from one command, each a process of its own."""

from __future__ import annotations

import fcntl
import hashlib
import itertools
import json
import os
import re
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from omegaconf import DictConfig

from stfw.commands.done import changed
from stfw.commands.job_view import JobView
from stfw.commands.launch import Job, Launcher
from stfw.commands.launchers import check_library, is_for_launch, read_launch
from stfw.config import Composed, compose, conf_dir, to_plain
from stfw.runs import fingerprint
from stfw.runs.directory import in_group
from stfw.runs.registry import Finished, Registry
from stfw.types import UserError


@dataclass(frozen=True)
class Planned:
    """A job and what is known of it before it runs.

    Attributes:
        job: the job.
        composed: what it would run.
        done: an earlier run that did it.
        stale: what has changed since that run, of ``code`` and ``data``.
    """

    job: Job
    composed: Composed
    done: Finished | None = None
    stale: tuple[str, ...] = ()

    @property
    def finished(self) -> str:
        """Where it was done, and what has changed since."""
        assert self.done is not None
        stale = f"  (of other {' and '.join(self.stale)})" if self.stale else ""
        return f"{self.done.path}{stale}"


def main(words: Sequence[str]) -> None:
    several = bool({"-m", "--multirun"} & set(words))
    words = [word for word in words if word not in ("-m", "--multirun")]
    if "LOCAL_RANK" in os.environ or int(os.environ.get("SLURM_PROCID") or 0) > 0:
        raise UserError(
            "-m and launcher=... start each run's processes themselves; start this once, without "
            "torchrun or srun, with trainer=ddp trainer.devices=..."
        )
    if any(word.lstrip("+~").startswith("hydra") for word in words):
        if own := [word for word in words if is_for_launch(word)]:
            raise UserError(
                f"{own[0]} and Hydra's own launcher do not go together; leave one of them out"
            )
        from stfw.commands import hydra_multirun

        first = [word for word in words if not word.lstrip("+~").startswith("hydra")]
        hydra_multirun.main(words, expand_first(first))
        return
    settings, name, launcher = read_launch([word for word in words if is_for_launch(word)])
    overrides = [word for word in words if not is_for_launch(word)]
    planned = plan(overrides, several, settings.skip_finished)
    if name == "ray" and not several:
        from stfw.commands.launchers.ray_train import train_with_ray

        if planned[0].done is None:
            train_with_ray(planned[0].composed, launcher)
        else:
            print(f"finished before: {planned[0].finished}")
        return
    run(planned, launcher, settings.jobs, overrides)


def plan(overrides: Sequence[str], several: bool, skip_finished: bool) -> list[Planned]:
    """Every job, composed and checked before any is started.

    Args:
        overrides: of all jobs, with sweeps such as ``seed=1,2`` where there are ``several``.
        several: whether sweeps are meant.
        skip_finished: look for runs that did the same.

    Raises:
        UserError: a job that could not run.
    """
    from stfw.assemble import check

    found = expand(overrides) if several else [("", list(overrides))]
    planned = []
    registries: dict[str, Registry] = {}
    for number, (label, words) in enumerate(found):
        try:
            composed = compose("train", words)
            check(composed.cfg)
        except UserError as error:
            raise UserError(f"{label}: {error}" if label else str(error)) from error
        done: Finished | None = None
        stale: tuple[str, ...] = ()
        if skip_finished:
            runs_dir = str(composed.cfg.runs_dir)
            runs = registries.setdefault(runs_dir, Registry(runs_dir))
            plain = to_plain(composed.cfg)
            key = fingerprint.of_config(plain)
            if done := runs.of_config(key):
                stale = changed(done, key, json.dumps(plain["data"]))
            if not any(word.startswith("resume=") for word in words):
                words = [*words, "resume=auto"]
        safe = re.sub(r"[^\w-]+", "_", label)[:80]
        name = f"{number:03d}-{safe}" if safe else "run"
        planned.append(Planned(make_job(name, label, words, composed.cfg), composed, done, stale))
    places = [p.composed.cfg.output_dir for p in planned]
    if len(set(places)) < len(places) and places[0] is not None:
        raise UserError(
            f"output_dir={places[0]} is one folder, and there are {len(planned)} runs; use "
            "runs_dir=... or name=..."
        )
    return planned


def make_job(name: str, label: str, words: Sequence[str], cfg: DictConfig) -> Job:
    """A job with what its trainer wants of a cluster."""
    trainer = cfg.trainer
    devices = trainer.devices if isinstance(trainer.devices, int) else 1
    return Job(
        name,
        list(words),
        label or str(cfg.name or "run"),
        num_nodes=int(trainer.num_nodes),
        num_devices=max(1, devices),
        has_gpu=trainer.accelerator in ("gpu", "cuda"),
    )


def run(
    planned: Sequence[Planned], launcher: Launcher, jobs: int | None, overrides: Sequence[str]
) -> None:
    """Runs what is not done; exits with 1 where a job failed.

    Raises:
        UserError: the same jobs are being run by another process.
    """
    missing = [p.job for p in planned if p.done is None]
    for p in planned:
        if p.done is not None:
            print(f"finished before: {p.job}  {p.finished}")
    print(f"{len(planned)} runs, {len(missing)} to run", flush=True)
    if not missing:
        return
    check_library(launcher)
    # the same command has the same folder, so that jobs of a cluster are found again
    digest = hashlib.sha256("\n".join(overrides).encode()).hexdigest()[:8]
    folder = Path(str(planned[0].composed.cfg.runs_dir)).expanduser() / "multirun" / digest
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    lock = hold(folder)
    print(f"logs {folder}", flush=True)
    view = JobView(missing, folder)
    try:
        with (
            in_group(f"multirun-{digest}"),
            view,
            closing(launcher.run(missing, folder, jobs)) as results,
        ):
            for job, status in results:
                view.ended(job, status)
    finally:
        lock.close()
    failed = view.failures()
    if failed:
        print(failed, file=sys.stderr)
    counts = view.counts()
    print(f"{counts['done']} of {len(missing)} runs finished")
    if failed:
        sys.exit(1)


def hold(folder: Path) -> IO[str]:
    """A lock on a folder of jobs, held until it is closed or the process ends.

    Raises:
        UserError: another process holds it.
    """
    lock = (folder / ".lock").open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.seek(0)
        other = lock.read().strip()
        raise UserError(f"{folder}: these runs are being run by process {other}") from error
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def expand(overrides: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Every combination of a sweep, with Hydra's syntax: ``model=a,b seed=range(0,3)``.

    Returns:
        (what is different about it, its overrides) of each.

    Raises:
        UserError: an override that does not parse, or intervals, which have no combinations.
    """
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    GlobalHydra.instance().clear()
    choices: list[list[str]] = []
    swept: list[bool] = []
    try:
        with initialize_config_dir(str(conf_dir()), version_base="1.3"):
            loader = GlobalHydra.instance().config_loader()  # glob(*) asks it for the options
            parser = OverridesParser.create(config_loader=loader)
            for text in overrides:
                (override,) = parser.parse_overrides([text])
                swept.append(override.is_sweep_override())
                if not swept[-1]:
                    choices.append([text])
                elif override.is_discrete_sweep():
                    key = override.get_key_element()
                    choices.append([f"{key}={it}" for it in override.sweep_string_iterator()])
                else:
                    raise UserError(f"{text}: an interval has no end of values; see stfw sweep")
    except HydraException as error:
        raise UserError(" ".join(str(error).split())) from error
    finally:
        GlobalHydra.instance().clear()
    found = []
    for words in itertools.product(*choices):
        label = " ".join(word for word, is_swept in zip(words, swept, strict=True) if is_swept)
        found.append((label, list(words)))
    return found


def expand_first(overrides: Sequence[str]) -> list[str]:
    """The first combination of a sweep: ``model=a,b`` -> ``model=a``."""
    return expand(overrides)[0][1]
