"""What a run is about to do, told before the first step and kept in ``run.json``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig
from rich.console import Console
from rich.table import Table
from torch import nn

from stfw.config import groups
from stfw.data.datamodule import SPLITS, VideoDataModule
from stfw.models.complexity import gmacs, num_parameters
from stfw.runs import fingerprint
from stfw.tasks.grid_schedule import grid_steps
from stfw.types import Batch, UserError

SLOTS = (
    "model",
    "data",
    "streams",
    "clip",
    "sampler",
    "transform",
    "decoder",
    "encoder",
    "audio_encoder",
    "aggregator",
    "fusion",
    "head",
    "loss",
    "task",
    "optimizer",
    "lr_scheduler",
    "trainer",
    "multigrid",
    "logger",
    "experiment",
)


def input_shapes(example: Batch) -> dict[str, tuple[int, ...]]:
    """Stream -> shape of one view: 1 1 N C T H W (sound: 1 1 N 1 M L)."""
    streams: list[str] = list(example["present"])
    return {name: (1, 1, *example[name].shape[1:]) for name in streams}  # type: ignore[literal-required]


def make_plan(
    cfg: DictConfig,
    choices: Mapping[str, str],
    network: nn.Module,
    data: VideoDataModule,
    world_size: int,
    lr_factor: float = 1.0,
) -> dict[str, Any]:
    """The figures that a person checks before paying for a run.

    Args:
        cfg: the run.
        choices: group to option.
        network: as it will learn.
        data: its data module.
        world_size: processes.
        lr_factor: of the learning rate, for this run's batch.

    Raises:
        UserError: the network cannot take one of a multigrid's shapes.
    """
    accumulate = cfg.trainer.accumulate_grad_batches
    videos = data.loader.batch_size * world_size * accumulate
    steps = -(-len(data.splits["train"]) // videos) * cfg.trainer.max_epochs
    if data.grid is not None:
        epochs = grid_steps(data, cfg.trainer.max_epochs, world_size, accumulate, None)
        steps = sum(epochs)
    if cfg.trainer.max_steps and cfg.trainer.max_steps > 0:
        steps = min(steps, cfg.trainer.max_steps)
    shapes = input_shapes(data.example())
    chosen = {slot: choices[slot] for slot in SLOTS if slot in choices and used(slot, cfg)}
    if added := [name for name in groups().get("callbacks", ()) if name in cfg.callbacks]:
        chosen["callbacks"] = ",".join(added)  # Hydra tells no choice of several
    base = cfg.optimizer.get("base_batch_size")
    return {
        "choices": chosen,
        "num_parameters": num_parameters(network),
        "gmacs_per_view": round(gmacs(network, shapes), 6),
        "input": ", ".join(
            f"{name} " + "x".join(map(str, shape[2:])) for name, shape in shapes.items()
        ),
        "effective_batch_size": effective_batch_size(cfg, data, world_size),
        "lr": cfg.optimizer.lr * lr_factor,
        "lr_scaling": None if base is None else f"{cfg.scale_lr}, {cfg.optimizer.lr:g} for {base}",
        "multigrid": grid_shapes(network, data),
        "num_epochs": cfg.trainer.max_epochs,
        "num_steps": steps,
        "views": str(cfg.views),
        "world_size": world_size,
        "seed": cfg.seed,
    }


def effective_batch_size(cfg: DictConfig, data: VideoDataModule, world_size: int) -> int:
    """Clips per optimizer step, over all processes, accumulated batches and repeats."""
    accumulate = int(cfg.trainer.accumulate_grad_batches)
    return data.loader.batch_size * data.loader.repeats * world_size * accumulate


def grid_shapes(network: nn.Module, data: VideoDataModule) -> list[str]:
    """``8 x 4x23x23`` of each shape of a multigrid: factor of the batch, then T H W.

    Raises:
        UserError: the network cannot take one of them.
    """
    told = []
    for number, shape in enumerate(data.grid.shapes if data.grid is not None else ()):
        shapes = input_shapes(data.dataset("train", number)[0])
        first = "x".join(map(str, next(iter(shapes.values()))[4:]))
        try:
            gmacs(network, shapes)
        except (RuntimeError, ValueError, AssertionError) as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else "its size"
            raise UserError(
                f"multigrid: the network cannot take clips of {first} (T H W): {reason[:200]}; "
                "choose multigrid=null, or a network of convolutions"
            ) from error
        told.append(f"{shape.num_videos} x {first}")
    return told


def used(slot: str, cfg: DictConfig) -> bool:
    """Whether a slot has a part in the run: those of encoders that no stream names have none."""
    if slot not in ("encoder", "audio_encoder"):
        return True
    return any(stream.slot == slot and stream.encoder is None for stream in cfg.streams.values())


def describe_data(data: VideoDataModule) -> dict[str, Any]:
    """Counts per split and class, and a fingerprint."""
    classes = data.reader.classes
    splits = {}
    for split in SPLITS:
        counts = Counter(label for record in data.splits[split] for label in record.labels)
        splits[split] = {
            "num_videos": len(data.splits[split]),
            "per_class": {name: counts.get(label, 0) for label, name in enumerate(classes)},
        }
    return {"fingerprint": fingerprint.of_data(data.splits), "splits": splits}


def show(plan: Mapping[str, Any], data: Mapping[str, Any], console: Console) -> None:
    """Prints the plan and the counts."""
    slots = "  ".join(f"{slot}={choice}" for slot, choice in plan["choices"].items())
    console.print(slots, highlight=False, soft_wrap=True)
    console.print(
        f"input {plan['input']} (N C T H W)   {plan['num_parameters']:,} parameters   "
        f"{plan['gmacs_per_view']:.4g} GMACs per view",
        highlight=False,
        soft_wrap=True,
    )
    scaled = f" ({plan['lr_scaling']})" if plan["lr_scaling"] else ""
    console.print(
        f"batch {plan['effective_batch_size']} over {plan['world_size']} "
        f"device{'s' if plan['world_size'] > 1 else ''}   lr {plan['lr']:g}{scaled}   "
        f"{plan['num_epochs']} epochs   {plan['num_steps']} steps   "
        f"views {plan['views']}   seed {plan['seed']}",
        highlight=False,
        soft_wrap=True,
    )
    if plan["multigrid"]:
        console.print(f"multigrid, batch x T H W: {', '.join(plan['multigrid'])}")
    splits = data["splits"]
    classes = list(splits["train"]["per_class"])
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("videos")
    for split in splits:
        table.add_column(split, justify="right")
    for name in classes[:12]:
        table.add_row(name, *(str(splits[split]["per_class"][name]) for split in splits))
    if len(classes) > 12:
        table.add_row(f"... {len(classes) - 12} more classes", *("" for _ in splits))
    table.add_row("all", *(str(splits[split]["num_videos"]) for split in splits), style="bold")
    console.print(table)
