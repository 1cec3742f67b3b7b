"""What a run is made of, in one place. Run once dry (``Check``) and once for real (``Build``)."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal

from omegaconf import DictConfig, open_dict

from stfw.build import Make
from stfw.check import Check, needed_weights
from stfw.network import assemble_network
from stfw.types import Record, Views

LOADER_KEYS = (
    "batch_size",
    "eval_batch_size",
    "num_workers",
    "start_method",
    "prefetch_factor",
    "timeout_sec",
    "repeats",
    "balance",
    "on_error",
    "max_bad_fraction",
    "max_pixels",
    "max_frames",
    "max_bytes",
)
# the keys of conf/train.yaml that are no group
ROOT_HINTS: dict[str, Any] = {
    "name": str | None,
    "seed": int,
    "views": str,
    "max_clips_per_forward": int,
    "stream_dropout": float,
    "runs_dir": str,
    "output_dir": str | None,
    "resume": str | None,
    "init_from": str | None,
    "weights": str | None,
    "test": bool,
    "test_checkpoint": Literal["best", "last"],
    "scale_lr": Literal["linear", "sqrt", "off"],
    "activation_checkpointing": bool,
    "channels_last": bool,
    "compile": Literal["default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs"]
    | None,
}
# of these keys the configs of older checkpoints know nothing
LATER_KEYS: dict[str, Any] = {
    "stream_dropout": 0.0,
    "test_checkpoint": "best",
    "scale_lr": "off",
    "activation_checkpointing": False,
    "channels_last": False,
    "compile": None,
}
STREAM_HINTS: dict[str, Any] = {
    "num_frames": int | None,
    "stack": bool,
    "slot": Literal["encoder", "audio_encoder"],
}
STREAM_KEYS = ("source", *STREAM_HINTS, "encoder", "aggregator")


def assemble_data(cfg: DictConfig, make: Make) -> Any:
    """The data module: reader, sampler, streams, transform, loaders."""
    from stfw.data.datamodule import Loader, VideoDataModule
    from stfw.transforms.pipeline import ClipPipeline

    grid = make(cfg.get("multigrid"))
    return make.join(
        VideoDataModule,
        reader=make(cfg.data, skip=LOADER_KEYS),
        loader=make(cfg.data, only=LOADER_KEYS, target=Loader),
        sampler=make(cfg.sampler),
        streams=assemble_streams(cfg, make),
        transform=make.join(ClipPipeline, make(cfg.transform.train)),
        decode=make(cfg.decoder),
        short_side=cfg.clip.short_side,
        seed=cfg.seed,
        grid=grid,
        shapes=[] if grid is None else make.join(assemble_shapes, cfg, make, grid),
    )


def assemble_shapes(cfg: DictConfig, make: Make, grid: Any) -> list[tuple[Any, Any]]:
    """Sampler and training transform of each shape of a multigrid."""
    from stfw.transforms.pipeline import ClipPipeline
    from stfw.transforms.shrink import Shrink

    if any(stream.stack and stream.num_frames is None for stream in cfg.streams.values()):
        make.refuse("multigrid: a stream that stacks its frames needs its own streams.*.num_frames")
    made = []
    for shape in grid.shapes:
        sampler = copy.deepcopy(cfg.sampler)
        with open_dict(sampler):
            sampler.num_frames = cfg.sampler.num_frames // shape.divisor
            sampler.frame_interval = cfg.sampler.frame_interval * shape.divisor
        steps = dict(make(cfg.transform.train))
        steps |= {"multigrid": Shrink(shape.side)} if shape.side < 1 else {}
        made.append((make(sampler), ClipPipeline(steps)))
    return made


def assemble_streams(cfg: DictConfig, make: Make) -> dict[str, Any]:
    """Where each stream's pictures or sounds come from, in the order of the config."""
    from stfw.data.streams.stream import Stream

    return {
        str(name): make.join(Stream, make(node.source), node.num_frames, node.stack)
        for name, node in cfg.streams.items()
    }


def assemble_batch_transform(cfg: DictConfig, make: Make, num_classes: int) -> Any:
    """What runs on the pixels once they are on the device."""
    from stfw.transforms.batch import BatchPipeline

    kinds = {str(name): make(node.source).kind for name, node in cfg.streams.items()}
    return make.join(BatchPipeline, make(cfg.transform.batch), kinds, num_classes)


def assemble_task(
    cfg: DictConfig,
    make: Make,
    network: Any,
    classes: list[str],
    records: Sequence[Record] | None = None,
) -> Any:
    """The way of learning around the network.

    Args:
        cfg: the run.
        make: dry or real.
        network: what learns.
        classes: class names.
        records: the training videos, whose classes a loss may count.
    """
    loss = make(cfg.loss)
    if records is not None and hasattr(loss, "set_counts"):
        counts = Counter(label for record in records for label in record.labels)
        loss.set_counts([counts[label] for label in range(len(classes))], len(records))
    return make(
        cfg.task,
        network=network,
        batch_transform=assemble_batch_transform(cfg, make, len(classes)),
        loss=loss,
        classes=classes,
        optimizer=make(cfg.optimizer, skip=("base_batch_size",)),
        lr_scheduler=make(cfg.lr_scheduler),
        seed=cfg.seed,
    )


def prepare_network(cfg: DictConfig, network: Any) -> None:
    """What changes how a network computes, and not what: nothing of it is in a checkpoint.

    Raises:
        UserError: an encoder has no blocks to compute again.
    """
    if cfg.activation_checkpointing:
        from stfw.tasks.recompute import recompute_activations

        recompute_activations(network)
    if cfg.channels_last:  # convolutions hand the order of their weights on to what they give
        import torch
        from torch.nn.utils import (
            convert_conv2d_weight_memory_format,
            convert_conv3d_weight_memory_format,
        )

        convert_conv2d_weight_memory_format(network, torch.channels_last)
        convert_conv3d_weight_memory_format(network, torch.channels_last_3d)
    if cfg.compile is not None:
        network.compile(mode=cfg.compile)  # in place: names stay as they are


def assemble_trainer(
    cfg: DictConfig, make: Make, callbacks: list[Any], plugins: list[Any], **placed: Any
) -> Any:
    """Lightning's trainer with the run's callbacks and loggers.

    Args:
        cfg: the run.
        make: dry or real.
        callbacks: beside those of the config.
        plugins: of Lightning.
        placed: its arguments that who started this process decides, instead of the config's.
    """
    parts = make(cfg.callbacks)
    loggers = make(cfg.logger)
    own = [part for part in parts.values() if part is not None] if isinstance(parts, dict) else []
    return make(
        cfg.trainer,
        callbacks=[*callbacks, *own],
        logger=list(loggers.values()) if isinstance(loggers, dict) and loggers else False,
        plugins=plugins,
        default_root_dir=cfg.output_dir,
        use_distributed_sampler=False,  # ours knows ranks, and never pads an evaluation
        enable_model_summary=False,
        enable_progress_bar=False,  # ours shows itself
        # with a multigrid the number of batches differs from epoch to epoch
        reload_dataloaders_every_n_epochs=0 if cfg.get("multigrid") is None else 1,
        **placed,
    )


def check(cfg: DictConfig) -> None:
    """Runs the whole assembly dry.

    Raises:
        UserError: one line per mistake.
    """
    if cfg.output_dir is None:  # chosen when the run begins
        cfg = copy.deepcopy(cfg)
        cfg.output_dir = "runs"
    Views.parse(cfg.views)
    dry = Check()
    for name, hint in ROOT_HINTS.items():
        dry.expect(cfg, name, hint)
    for name, stream in cfg.streams.items():
        for key in stream:
            if key not in STREAM_KEYS:
                dry.mistakes.append(
                    f"streams.{name}.{key}: no such key (there are: {', '.join(STREAM_KEYS)})"
                )
        for key, hint in STREAM_HINTS.items():
            dry.expect(stream, key, hint)
    if what := needed_weights(cfg):
        dry.mistakes.append(
            f"weights: this recipe starts from {what}; give weights=<file> (stfw weights import "
            "makes one), or weights=null to start from scratch"
        )
    if "base_batch_size" in cfg.optimizer:
        dry.expect(cfg.optimizer, "base_batch_size", int | None)
    epochs = cfg.trainer.get("max_epochs")
    if epochs is None or (isinstance(epochs, int) and epochs < 0):
        dry.mistakes.append(
            f"trainer.max_epochs={'null' if epochs is None else epochs}: the schedules count the "
            "epochs of a run; give their number, and trainer.max_steps to stop earlier"
        )
    dry.raise_if_wrong()  # what follows leans on these
    assemble_data(cfg, dry)
    network = assemble_network(cfg, dry, num_classes=2)
    assemble_task(cfg, dry, network, classes=[])
    assemble_trainer(cfg, dry, [], [])
    dry.raise_if_wrong()
