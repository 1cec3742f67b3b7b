"""Which weights a run starts from: ``init_from=...``, ``weights=imagenet|kinetics400|<file>``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig

from stfw.assemble import Build
from stfw.runs.weights import Weights, read_weights
from stfw.types import UserError, nearest

NAMED = ("imagenet", "kinetics400")
# encoders of the layers of a 2D ResNet -> the 2D network that is inflated
INFLATED = {"resnet3d": "resnet{depth}", "resnet3d_hara": "resnet{depth}"}


def open_start(cfg: DictConfig, choices: Mapping[str, str]) -> Weights | None:
    """The weights that a new run begins with, read; None: none.

    Raises:
        UserError: two are named, there are none of this kind for the model, or they cannot be read.
    """
    if cfg.init_from is not None and cfg.weights is not None:
        raise UserError("init_from and weights both name weights to start from; give one of them")
    if cfg.init_from is not None:
        return read_weights(cfg.init_from)
    if cfg.weights is None:
        return None
    if cfg.weights == "imagenet":
        return imagenet(cfg)
    if cfg.weights == "kinetics400":
        return kinetics400(cfg, choices["model"])
    try:
        return read_weights(cfg.weights, "weights")
    except UserError as error:
        if hint := nearest(cfg.weights, NAMED):
            raise UserError(f"{error}{hint}") from error
        raise


def imagenet(cfg: DictConfig) -> Weights:
    """A 2D network's own weights, or those of a 2D network inflated.

    Raises:
        UserError: the encoder is neither.
    """
    node, encoder = visual_encoder(cfg)
    if "pretrained" in node:
        try:
            network = Build()(node, in_channels=3, pretrained=True)
        except UserError:
            raise
        except Exception as error:  # of whichever hub timm asks
            raise UserError(f"weights=imagenet: timm cannot fetch {node.name}: {error}") from error
        state = network.state_dict()
        known = getattr(network.net, "pretrained_cfg", None) or {}
        notes = _normalisation(cfg, known.get("mean"), known.get("std"))
        return _encoder_weights("imagenet", state, [f"timm {node.name}", *notes])
    if encoder not in INFLATED:
        raise UserError(
            f"weights=imagenet: the encoder '{encoder}' has no such weights; 2D networks of timm "
            f"have, and {', '.join(INFLATED)} by inflation"
        )
    import torchvision

    from stfw.models.inflate import inflate

    name = INFLATED[encoder].format(depth=node.depth)
    if name not in torchvision.models.list_models(torchvision.models):
        raise UserError(f"weights=imagenet: there is no 2D {name} to inflate")
    published = torchvision.models.get_model_weights(name).IMAGENET1K_V1
    network = Build()(node, in_channels=3)
    try:
        inflated = inflate(fetch(published), network)
    except UserError as error:
        raise UserError(f"weights=imagenet: {error}") from error
    preset = published.transforms()
    notes = [f"{name} inflated", *_normalisation(cfg, preset.mean, preset.std)]
    return _encoder_weights("imagenet", {**network.state_dict(), **inflated}, notes)


def kinetics400(cfg: DictConfig, model: str) -> Weights:
    """torchvision's published weights of a video network, with its class names.

    Raises:
        UserError: torchvision has none for this model.
    """
    import torch
    import torchvision
    from torch import nn

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
        with torch.device("meta"):
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
        tuple(_normalisation(cfg, preset.mean, preset.std)),
    )


def fetch(published: Any) -> dict[str, Any]:
    """The state dict of a torchvision weights entry, from the hub's cache or the network.

    Raises:
        UserError: it cannot be fetched, or its digest is wrong.
    """
    import torch

    try:
        return published.get_state_dict(progress=False, check_hash=True, weights_only=True)
    except (OSError, RuntimeError) as error:  # URLError is an OSError
        raise UserError(
            f"{published.url} cannot be fetched ({error}); fetch it elsewhere and put it into "
            f"{torch.hub.get_dir()}/checkpoints"
        ) from error


def visual_encoder(cfg: DictConfig) -> tuple[DictConfig, str]:
    """The config of the first visual stream's encoder, and the name of its module.

    Raises:
        UserError: there is no visual stream.
    """
    for stream in cfg.streams.values():
        if stream.slot == "encoder":
            node = stream.encoder or cfg.encoder
            return node, str(node._target_).split(".")[-2]
    raise UserError(f"weights={cfg.weights}: there is no visual stream to start from them")


def _encoder_weights(name: str, state: Mapping[str, Any], notes: list[str]) -> Weights:
    named = {f"encoder.{key}": value for key, value in state.items()}
    return Weights(f"weights={name}", named, None, tuple(notes))


def _normalisation(cfg: DictConfig, mean: Any, std: Any) -> list[str]:
    """A note where the weights saw otherwise normalised pixels."""
    own = cfg.transform.batch.get("normalize")
    if own is None or mean is None or (list(own.mean), list(own.std)) == (list(mean), list(std)):
        return []

    def shown(key: str, values: Any) -> str:
        numbers = ",".join(f"{value:g}" for value in values)
        return f"transform.batch.normalize.{key}=[{numbers}]"

    return [f"they were trained with {shown('mean', mean)} {shown('std', std)}"]
