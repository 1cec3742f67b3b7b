"""``stfw train launcher=ray``: one training whose ranks are workers of Ray Train."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from stfw.commands.launch import core_shares, shared_environment
from stfw.commands.launchers import needs
from stfw.commands.launchers.ray import Ray
from stfw.commands.ranks import RAY
from stfw.config import Composed, compose
from stfw.types import UserError


def train_with_ray(composed: Composed, launcher: Any) -> None:
    """Trains with ``trainer.devices`` x ``trainer.num_nodes`` workers; prints the result line.

    Raises:
        UserError: Ray is not there, or what the run itself refuses.
    """
    assert isinstance(launcher, Ray)
    trainer = composed.cfg.trainer
    if "fsdp" in str(trainer.strategy):
        raise UserError("launcher=ray trains with trainer=ddp; for trainer=fsdp use torchrun")
    if not isinstance(trainer.devices, int) or trainer.devices < 1:
        raise UserError(
            f"trainer.devices={trainer.devices}: with launcher=ray give a number, as Ray looks for "
            "a place for each: trainer=ddp trainer.devices=2"
        )
    ray = launcher.connect()
    has_gpu = trainer.accelerator in ("gpu", "cuda")
    resources = launcher.resources(has_gpu)
    count = trainer.devices * int(trainer.num_nodes)
    launcher.check_place(ray, resources, count, "this run")
    needs("ray.train.torch", "ray")
    from ray.train import RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer
    from ray.train.v2.api.exceptions import TrainingFailedError

    with tempfile.TemporaryDirectory(prefix="stfw-ray-") as storage:
        result = _shared(composed) / f".ray-{os.getpid()}-result.txt"
        work = {
            "overrides": composed.overrides,
            "command": sys.argv,
            "folder": os.getcwd(),
            "environment": {**shared_environment(), RAY: "1"},
            "result": str(result),
        }
        workers = TorchTrainer(
            _work,
            train_loop_config=work,
            scaling_config=ScalingConfig(
                num_workers=count,
                use_gpu=resources["num_gpus"] > 0,
                resources_per_worker={
                    "CPU": resources["num_cpus"],
                    **({"GPU": resources["num_gpus"]} if resources["num_gpus"] else {}),
                },
            ),
            run_config=RunConfig(storage_path=storage, name="stfw"),
        )
        try:
            workers.fit()
            print(result.read_text(), end="")
        except TrainingFailedError as error:
            reasons = getattr(error, "worker_failures", {}).values()
            told = [str(reason) for reason in map(_cause, reasons) if isinstance(reason, UserError)]
            if told:
                raise UserError(told[0]) from error
            raise
        finally:
            result.unlink(missing_ok=True)
            ray.shutdown()


def _work(work: dict[str, Any]) -> None:
    """What every worker does."""
    os.chdir(work["folder"])
    os.environ.update(work["environment"])
    sys.path.insert(0, work["folder"])
    sys.argv = work["command"]
    import ray.train

    from stfw.commands.run import train

    place = ray.train.get_context()
    if hasattr(os, "sched_setaffinity"):  # Ray binds nobody to cores; threads would contend
        share = core_shares(place.get_local_world_size())[place.get_local_rank()]
        os.sched_setaffinity(0, share)
    line = train(compose("train", work["overrides"]))
    if place.get_world_rank() == 0:
        Path(work["result"]).write_text(f"{line}\n")


def _shared(composed: Composed) -> Path:
    """The folder of runs, which every machine sees."""
    folder = Path(str(composed.cfg.runs_dir)).expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    return folder.resolve()


def _cause(error: BaseException) -> BaseException:
    """What a worker raised, out of what Ray wraps it in."""
    return getattr(error, "cause", None) or error.__cause__ or error
