"""``weights=imagenet``: a 2D network's own weights, or those of one put into a video encoder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig
from torch import Tensor, nn

from stfw.build import Build
from stfw.commands.origins import normalised
from stfw.commands.published import fetch, visual_encoder
from stfw.models.complexity import on_meta
from stfw.models.inflate import inflate
from stfw.models.inflate_transformers import inflate_swin, inflate_vit
from stfw.runs.weights import Weights
from stfw.types import UserError

WIDTHS = {192: "tiny", 384: "small", 768: "base", 1024: "large"}  # of timm's ViTs
SWINS = {(96, 6): "swin_t", (96, 18): "swin_s", (128, 18): "swin_b"}  # width, third stage's depth
# encoder -> why no 2D network's weights go in; of others none is published that has their layers
REFUSED = {
    "mvit": "its 2D form, of other layers at each pooling, is not inflated here",
    "s3d": "its convolutions over time, each with a norm of its own, are in no 2D network",
    "slowfast": "its slow path reads the fast path's channels, too, as no 2D network does",
    "uniformer": "its authors' 2D networks are in no library",
    "video_resnet": "its stem does not pool, as the stem of every published 2D ResNet does",
    "videomae": "it has no class token and no bias of keys, and begins from its own pre-training",
}


@dataclass(frozen=True)
class Flat:
    """A published 2D network.

    Attributes:
        name: as its library has it.
        state: its tensors in the order of its definition.
        mean: per colour, what its first layer's pixels are normalised with.
        std: likewise.
    """

    name: str
    state: Mapping[str, Tensor]
    mean: Sequence[float] | None
    std: Sequence[float] | None


def imagenet(cfg: DictConfig) -> Weights:
    """A 2D network's own weights, or those of a 2D network inflated.

    Raises:
        UserError: the encoder is neither, or nothing can be fetched.
    """
    node, encoder = visual_encoder(cfg)
    if "pretrained" in node:
        network = _from_timm(str(node.name), lambda: Build()(node, in_channels=3, pretrained=True))
        known = getattr(network.net, "pretrained_cfg", None) or {}
        flat = Flat(f"timm {node.name}", network.state_dict(), known.get("mean"), known.get("std"))
        return _weights(cfg, flat, flat.state, flat.name)
    if encoder not in INFLATED:
        why = REFUSED.get(encoder, "no published 2D network has its layers")
        raise UserError(
            f"weights=imagenet: the encoder '{encoder}' has no such weights, since {why}; 2D "
            f"networks of timm have, and {', '.join(INFLATED)} by inflation"
        )
    find, put_in = INFLATED[encoder]
    flat = find(node)
    network = Build()(node, in_channels=3)
    try:
        inflated = put_in(flat.state, network)
    except UserError as error:
        raise UserError(f"weights=imagenet: {error}") from error
    return _weights(cfg, flat, {**network.state_dict(), **inflated}, f"{flat.name} inflated")


def _weights(cfg: DictConfig, flat: Flat, state: Mapping[str, Tensor], what: str) -> Weights:
    named = {f"encoder.{key}": value for key, value in state.items()}
    seen = {"mean": flat.mean, "std": flat.std}
    notes = (what, *normalised(cfg, {key: value for key, value in seen.items() if value}))
    return Weights("weights=imagenet", named, None, notes)


def _torchvision(name: str, **arguments: Any) -> Flat:
    """Its IMAGENET1K_V1, of which only what the network without its arguments' parts has."""
    import torchvision

    if name not in torchvision.models.list_models(torchvision.models):
        raise UserError(f"weights=imagenet: there is no 2D {name} to inflate")
    published = torchvision.models.get_model_weights(name).IMAGENET1K_V1
    with on_meta():
        names = torchvision.models.get_model(name, **arguments).state_dict()
    theirs, preset = fetch(published), published.transforms()
    state = {key: theirs[key] for key in names if key in theirs}
    return Flat(name, state, preset.mean, preset.std)


def _resnet(node: DictConfig) -> Flat:
    return _torchvision(f"resnet{node.depth}")


def _inception(node: DictConfig) -> Flat:
    """GoogLeNet without its auxiliary classifiers.

    Its ``transform_input`` turns ImageNet's normalisation back: the first layer sees -1..1.
    """
    flat = _torchvision("googlenet", aux_logits=False, init_weights=False)
    return Flat(flat.name, flat.state, [0.5] * 3, [0.5] * 3)


def _swin(node: DictConfig) -> Flat:
    size = (node.width, node.depths[2] if len(node.depths) == 4 else 0)
    if size not in SWINS:
        raise UserError(
            f"weights=imagenet: torchvision has no 2D Swin of width {node.width} and depths "
            f"{list(node.depths)} to inflate; it has {', '.join(SWINS.values())}"
        )
    return _torchvision(SWINS[size])


def _vit(node: DictConfig) -> Flat:
    """timm's ViT of ImageNet-21k, from which TimeSformer and ViViT are published."""
    import timm

    patch = node.get("patch_size") or node.tubelet[1]
    name = f"vit_{WIDTHS.get(node.width)}_patch{patch}_224"
    full = f"{name}.augreg_in21k"
    if full not in timm.list_pretrained("vit_*"):
        raise UserError(
            f"weights=imagenet: timm has no ViT of width {node.width} and patches of {patch}; of "
            f"patches of 16 it has the widths {', '.join(map(str, WIDTHS))}"
        )
    network = _from_timm(full, lambda: timm.create_model(full, pretrained=True, num_classes=0))
    heads = network.blocks[0].attn.num_heads
    if heads != node.num_heads:
        raise UserError(
            f"weights=imagenet: {name} has {heads} heads; set encoder.num_heads={heads}"
        )
    known = network.pretrained_cfg
    return Flat(full, network.state_dict(), known.get("mean"), known.get("std"))


def _from_timm(name: str, make: Callable[[], Any]) -> Any:
    try:
        return make()
    except UserError:
        raise
    except Exception as error:  # of whichever hub timm asks
        raise UserError(f"weights=imagenet: timm cannot fetch {name}: {error}") from error


# encoder -> its 2D network, and what puts that network's tensors in
INFLATED: dict[
    str,
    tuple[
        Callable[[DictConfig], Flat],
        Callable[[Mapping[str, Tensor], nn.Module], dict[str, Tensor]],
    ],
] = {
    "resnet3d": (_resnet, inflate),
    "resnet3d_hara": (_resnet, inflate),
    "i3d": (_inception, inflate),
    "swin3d": (_swin, inflate_swin),
    "timesformer": (_vit, inflate_vit),
    "vivit": (_vit, inflate_vit),
}
