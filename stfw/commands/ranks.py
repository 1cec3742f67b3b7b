"""The processes of one training, whoever started them: torchrun, SLURM, Ray or Lightning itself."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from datetime import timedelta
from functools import cache
from typing import Any

from omegaconf import DictConfig

from stfw.types import UserError

RAY = "STFW_RAY_TRAIN"  # set in the workers of Ray Train
PATIENCE = timedelta(hours=12)  # rank 0 may have data to prepare before it says where the run lies
CHOICE = ("STFW_RUN_DIR", "STFW_RESUME")


def check_processes(cfg: DictConfig) -> None:
    """Refuses a trainer that waits for other processes than there are.

    Raises:
        UserError: says how they are started.
    """
    wanted, nodes = cfg.trainer.devices, int(cfg.trainer.num_nodes)
    started = _started()
    if started is None:
        if nodes > 1:
            raise UserError(
                f"trainer.num_nodes={nodes}: one command on one machine cannot start the others; "
                "use torchrun on each, srun, or launcher=ray (docs/distributed.md)"
            )
        return
    if started == "Ray" or not isinstance(wanted, int) or wanted < 1:
        return
    there = _world_size(started)
    if there != wanted * nodes:
        raise UserError(
            f"{started} started {there} processes, and trainer.devices={wanted} x "
            f"trainer.num_nodes={nodes} wants {wanted * nodes}; make the two agree"
        )


def is_rank_zero() -> bool:
    """Whether this process is the one that writes (before any process group exists)."""
    names = ("RANK", *(["SLURM_PROCID"] if _started() == "SLURM" else []), "LOCAL_RANK")
    return next((os.environ[name] == "0" for name in names if os.environ.get(name)), True)


def tell_choice() -> None:
    """Rank 0 tells the others its folder and checkpoint, which it has put into ``CHOICE``."""
    store = _store()
    if store is not None:
        choice = {name: os.environ.get(name, "") for name in CHOICE}
        store.set(_key(), json.dumps(choice))


def hear_choice() -> None:
    """Another rank waits for what rank 0 has chosen; it cannot find it out by itself.

    A run that rank 0 has begun would look to it like one to go on with.

    Raises:
        UserError: rank 0 has ended.
    """
    store = _store()
    if store is None:
        return
    try:
        store.wait([_key()], PATIENCE)
        os.environ.update(json.loads(store.get(_key())))
    except RuntimeError as error:
        raise UserError("rank 0 has ended before it chose the run's folder; see its output") from (
            error
        )


def make_trainer(cfg: DictConfig, make: Any, plugins: Sequence[Any]) -> Any:
    """The run's trainer; in a worker of Ray Train one that knows Ray's ranks."""
    from pytorch_lightning.plugins.environments import LightningEnvironment

    from stfw.assemble import assemble_trainer

    if not os.environ.get(RAY):
        alone = "SLURM_NTASKS" in os.environ and _started() is None
        own = [LightningEnvironment()] if alone else []  # else Lightning waits for SLURM's others
        return assemble_trainer(cfg, make, [], [*plugins, *own])
    from ray.train.lightning import RayDDPStrategy, RayLightningEnvironment, prepare_trainer

    unused = "find_unused_parameters_true" in str(cfg.trainer.strategy)
    trainer = assemble_trainer(
        cfg,
        make,
        [],
        [*plugins, RayLightningEnvironment()],
        strategy=RayDDPStrategy(find_unused_parameters=unused),
        devices="auto",  # Ray has chosen
        num_nodes=1,
    )
    return prepare_trainer(trainer)


def _started() -> str | None:
    """Who started several processes; None: nobody, or Lightning, which tells its own."""
    if os.environ.get(RAY):
        return "Ray"
    if "TORCHELASTIC_RUN_ID" in os.environ:
        return "torchrun"
    interactive = os.environ.get("SLURM_JOB_NAME") in ("bash", "interactive")  # as Lightning has it
    # a batch script of one task, without srun, starts its processes itself
    several = int(os.environ.get("SLURM_NTASKS") or 1) > 1
    return "SLURM" if several and not interactive else None


def _world_size(started: str) -> int:
    return int(os.environ["SLURM_NTASKS" if started == "SLURM" else "WORLD_SIZE"])


def _key() -> str:
    """Of this start of the processes: torchrun may start them again."""
    return f"stfw/choice/{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}"


@cache
def _store() -> Any:
    """What all ranks read and write before they are a process group; None: there is one process.

    It stays open: the process group is made over the same port.
    """
    started = _started()
    if started is None or (size := _world_size(started)) == 1:
        return None
    rank = int(os.environ["SLURM_PROCID" if started == "SLURM" else "RANK"])
    if started == "SLURM":
        from pytorch_lightning.plugins.environments import SLURMEnvironment

        place = SLURMEnvironment()
        _ = place.main_address, place.main_port  # sets MASTER_ADDR and MASTER_PORT
    from torch.distributed import rendezvous

    store, _, _ = next(rendezvous(f"env://?rank={rank}&world_size={size}"))
    return store
