"""A trained model with everything it needs to score a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn

from stfw.assemble import (
    Build,
    assemble_batch_transform,
    assemble_network,
    assemble_streams,
    check,
)
from stfw.data.dataset import collate
from stfw.data.sample import Loading, load_sample
from stfw.models.recognizer import view_probabilities
from stfw.runs import checkpoint_io
from stfw.runs.find import find_checkpoint
from stfw.types import Batch, Record, UserError, Views


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
    content, cfg, classes = open_checkpoint(run)
    if views is not None:
        Views.parse(views)
        cfg.views = views
    check(cfg)
    build = Build()
    network = assemble_network(cfg, build, len(classes))
    load_weights(network, content)
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
    cfg.output_dir = None
    cfg.setdefault("stream_dropout", 0.0)  # runs of earlier versions have no such key
    # its weights are in the checkpoint: nothing is fetched again
    cfg.init_from = cfg.weights = None
    for slot in ("encoder", "audio_encoder"):
        if slot in cfg and "pretrained" in cfg[slot]:
            cfg[slot].pretrained = False
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
