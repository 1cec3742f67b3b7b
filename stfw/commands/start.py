"""Which weights a run starts from: ``init_from=...``, ``weights=imagenet|kinetics400|<file>``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from omegaconf import DictConfig

from stfw.build import Build
from stfw.commands.imagenet import imagenet
from stfw.commands.origins import normalised, remarks
from stfw.commands.published import fetch, visual_encoder
from stfw.runs.weights import Weights, read_weights
from stfw.types import UserError, nearest

NAMED = ("imagenet", "kinetics400")


def open_start(cfg: DictConfig, choices: Mapping[str, str]) -> Weights | None:
    """The weights that a new run begins with, read; None: none.

    Raises:
        UserError: two are named, there are none of this kind for the model, or they cannot be read.
    """
    if cfg.init_from is not None and cfg.weights is not None:
        raise UserError("init_from and weights both name weights to start from; give one of them")
    if cfg.init_from is not None:
        return _with_remarks(cfg, read_weights(cfg.init_from))
    if cfg.weights is None:
        return None
    if cfg.weights == "imagenet":
        return imagenet(cfg)
    if cfg.weights == "kinetics400":
        return kinetics400(cfg, choices["model"])
    try:
        return _with_remarks(cfg, read_weights(cfg.weights, "weights"))
    except UserError as error:
        if hint := nearest(cfg.weights, NAMED):
            raise UserError(f"{error}{hint}") from error
        raise


def kinetics400(cfg: DictConfig, model: str) -> Weights:
    """torchvision's published weights of a video network, with its class names.

    Raises:
        UserError: torchvision has none for this model.
    """
    import torchvision
    from torch import nn

    from stfw.models.complexity import on_meta
    from stfw.models.convert import convert
    from stfw.models.heads.linear import Linear

    there = torchvision.models.list_models(torchvision.models.video)
    if model not in there:
        raise UserError(
            f"weights=kinetics400: torchvision has none for model={model} (it has for "
            f"{', '.join(there)}); others are imported: stfw weights import <file> as={model}"
        )
    node, encoder = visual_encoder(cfg)

    def build(num_classes: int) -> nn.Module:
        with on_meta():
            network = Build()(node, in_channels=3)
            head = Linear(network.num_features, num_classes)
        return nn.ModuleDict({"encoder": network, "head": head})

    published = torchvision.models.get_model_weights(model).KINETICS400_V1
    try:
        state = convert(fetch(published), encoder, build, "torchvision").state
    except UserError as error:
        raise UserError(f"weights=kinetics400: {error}") from error
    preset = published.transforms()
    return Weights(
        "weights=kinetics400",
        state,
        list(published.meta["categories"]),
        tuple(normalised(cfg, {"mean": preset.mean, "std": preset.std})),
    )


def _with_remarks(cfg: DictConfig, weights: Weights) -> Weights:
    return replace(weights, notes=(*weights.notes, *remarks(cfg, weights.about)))
