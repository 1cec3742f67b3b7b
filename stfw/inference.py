"""A trained model with everything it needs to score a file."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn

from stfw.assemble import (
    LATER_KEYS,
    assemble_batch_transform,
    assemble_network,
    assemble_streams,
    check,
)
from stfw.build import Build
from stfw.config import compose
from stfw.data.dataset import collate
from stfw.data.sample import Loading, load_sample
from stfw.models.recognizer import view_probabilities
from stfw.runs import checkpoint_io, weights_file
from stfw.runs.find import find_checkpoint
from stfw.runs.weights import Weights, fill
from stfw.types import Batch, Record, UserError, Views, nearest

# what a weights file settles when it was imported
SETTLED = ("model", "encoder", "audio_encoder", "aggregator", "fusion", "head", "streams")


@dataclass
class Model:
    """Network, preprocessing and class names of a run.

    Attributes:
        network: batch -> logits_BVK, in evaluation mode.
        classes: K class names.
        cfg: the run's config.
        loading: how a video becomes a sample.
        batch_transform: runs on the device.
        device: where the network is.
    """

    network: nn.Module
    classes: list[str]
    cfg: DictConfig
    loading: Loading
    batch_transform: nn.Module
    device: torch.device

    def preprocess(self, path: str | Path) -> Batch:
        """A file as a batch of one, uint8, as the network's loader gives it.

        Raises:
            VideoError: it cannot be read.
        """
        record = Record(video_id=str(path), path=str(Path(path).absolute()), label=0)
        return collate([load_sample(record, self.loading)])

    @torch.inference_mode()
    def probabilities(self, batch: Batch) -> Tensor:
        """probabilities_BK of preprocessed videos."""
        moved: dict[str, Any] = {
            name: value.to(self.device) if isinstance(value, Tensor) else value
            for name, value in batch.items()
        }
        moved["present"] = {name: flag.to(self.device) for name, flag in batch["present"].items()}
        logits_BVK = self.network(self.batch_transform(moved))
        multi_label = bool(self.cfg.task.get("multi_label"))
        return view_probabilities(logits_BVK, multi_label, moved["weights"]).cpu()

    def predict(self, path: str | Path, top: int = 5) -> list[tuple[str, float]]:
        """The most probable classes of a file, most probable first.

        Raises:
            VideoError: it cannot be read.
        """
        return self.ranked(self.probabilities(self.preprocess(path))[0], top)

    def ranked(self, probabilities_K: Tensor, top: int = 5) -> list[tuple[str, float]]:
        """(class, probability), most probable first."""
        best = probabilities_K.topk(min(top, len(self.classes)))
        return [
            (self.classes[index], value)
            for index, value in zip(best.indices.tolist(), best.values.tolist(), strict=True)
        ]


def load_model(run: str, device: str = "cpu", views: str | None = None) -> Model:
    """See ``stfw.load``."""
    opened = open_weights(run) if is_weights_file(run) else open_run(run)
    cfg, classes = opened.cfg, opened.classes
    if views is not None:
        Views.parse(views)
        cfg.views = views
    check(cfg)
    build = Build()
    network = assemble_network(cfg, build, len(classes))
    opened.fill(network, classes)
    place = torch.device(device)
    return Model(
        network=network.to(place).eval(),
        classes=classes,
        cfg=cfg,
        loading=Loading(
            sampler=build(cfg.sampler),
            streams=assemble_streams(cfg, build),
            transform=None,
            decode=build(cfg.decoder),
            short_side=cfg.clip.short_side,
        ),
        batch_transform=assemble_batch_transform(cfg, build, len(classes)).to(place).eval(),
        device=place,
    )


@dataclass(frozen=True)
class Opened:
    """What a run, a checkpoint or a weights file says of itself.

    Attributes:
        cfg: a run's config.
        classes: names of the head's classes, in its order.
        fill: copies the tensors into the network of ``cfg``; its classes may stand in another
            order where the tensors are those of a weights file.
        about: of a weights file, what it says of itself; empty: a checkpoint.
    """

    cfg: DictConfig
    classes: list[str]
    fill: Callable[[nn.Module, Sequence[str]], None]
    about: Mapping[str, Any]


def is_weights_file(where: str) -> bool:
    """Whether a person means a weights file, not a run or a checkpoint."""
    return where.endswith(".safetensors")


def open_run(run: str) -> Opened:
    """A run folder's best checkpoint, or a checkpoint file.

    Raises:
        UserError: nothing there, damaged, or not of stfw.
    """
    content, cfg, classes = open_checkpoint(run)
    return Opened(cfg, classes, lambda network, _: load_weights(network, content), {})


def open_weights(where: str, overrides: Sequence[str] = ()) -> Opened:
    """A weights file, under the preset it was imported as and the input it is made for.

    Args:
        where: the file.
        overrides: of the run, on top.

    Raises:
        UserError: nothing there, not of stfw, no head, or overrides of what the file settles.
    """
    path = Path(where).expanduser()
    if not path.is_file():
        siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        raise UserError(f"{where}: there is no such weights file{nearest(path.name, siblings)}")
    state, about = weights_file.read(path)
    if about.get("format") != weights_file.FORMAT or "preset" not in about:
        raise UserError(
            f"{where}: not of stfw; bring it in: stfw weights import {where} as=<preset>"
        )
    preset, num_classes = about["preset"], about.get("num_classes") or 0
    if not num_classes:
        raise UserError(
            f"{where}: the weights have no head, so they tell no classes; train one: "
            f"stfw train model={preset} weights={where}"
        )
    for text in overrides:
        if (key := text.partition("=")[0].lstrip("+~")) in SETTLED:
            raise UserError(f"{text}: the weights settle the {key} (model={preset}); leave it out")
    own = [f"model={preset}", *shlex.split(about.get("overrides", "")), *_as_overrides(about)]
    cfg = compose("train", [*own, *overrides]).cfg
    _fetch_nothing(cfg)
    names: list[str] | None = about.get("classes")
    weights = Weights(where, state, names)
    return Opened(
        cfg,
        names or [f"class {number}" for number in range(num_classes)],
        lambda network, classes: fill(network, weights, classes),
        about,
    )


def _as_overrides(about: Mapping[str, Any]) -> list[str]:
    """The clip and the normalisation that a weights file was made for."""
    found = []
    for key, value in about.get("input", {}).items():
        if key == "stream":  # said by the preset and its overrides
            continue
        room = "transform.batch.normalize" if key in weights_file.PIXELS else "clip"
        shown = str(value).replace(" ", "") if value is not None else "null"
        found.append(f"{room}.{key}={shown}")
    return found


def _fetch_nothing(cfg: DictConfig) -> None:
    """What is tested has its weights: none are fetched."""
    cfg.init_from = cfg.weights = None
    for slot in ("encoder", "audio_encoder"):
        if slot in cfg and "pretrained" in cfg[slot]:
            cfg[slot].pretrained = False


def open_checkpoint(
    run: str, overrides: Sequence[str] = ()
) -> tuple[dict[str, Any], DictConfig, list[str]]:
    """A checkpoint's content, its config (with overrides on top) and its class names.

    Raises:
        UserError: nothing there, damaged, not of stfw, or an override of an unknown key.
    """
    path = find_checkpoint(run)
    content = checkpoint_io.load(path)
    stored = content.get("stfw")
    if not isinstance(stored, dict) or "config" not in stored:
        raise UserError(f"{path}: not a checkpoint of stfw: it carries no configuration")
    cfg = OmegaConf.create(stored["config"])
    assert isinstance(cfg, DictConfig)
    # the config is resolved: what pointed at these facts must follow them again
    cfg.sampler.views = "${views}"
    for key in list(cfg.sampler):
        fact = "crop_size" if key in ("height", "width") else key  # of a box, and of a crop
        if fact in cfg.clip and cfg.sampler[key] == cfg.clip[fact]:
            cfg.sampler[key] = f"${{clip.{fact}}}"
    cfg.output_dir = None
    for key, value in LATER_KEYS.items():
        cfg.setdefault(key, value)
    if cfg.get("callbacks"):
        cfg.callbacks.pop("timings", None)  # throughput by an older name
    _fetch_nothing(cfg)
    return content, cfg, list(stored["classes"])


def load_weights(network: nn.Module, content: dict[str, Any]) -> None:
    """Copies the network's weights out of a checkpoint.

    Raises:
        UserError: they are of another network.
    """
    weights = {
        name.removeprefix("network."): value
        for name, value in content["state_dict"].items()
        if name.startswith("network.")
    }
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise UserError(f"the checkpoint's weights do not fit its own config: {reason}") from error
