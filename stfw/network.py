"""The network of a run: what each level of fusion needs one of, and what it needs per stream."""

from __future__ import annotations

import operator
from typing import Any

from omegaconf import DictConfig

from stfw.build import Make
from stfw.check import class_fact


def assemble_network(cfg: DictConfig, make: Make, num_classes: int) -> Any:
    """The network: an encoder and an aggregator per stream, a fusion, a head.

    A fusion of inputs or maps leaves one branch behind it, which takes the first stream's parts; a
    fusion of logits needs a head per stream.
    """
    from stfw.models.recognizer import JOINED, Recognizer

    level = class_fact(cfg.fusion, "level", "feature")
    parts = {str(name): stream for name, stream in cfg.streams.items()}
    first = {JOINED: next(iter(parts.values()))}
    widths: dict[str, Any] = {name: _channels(cfg, stream, make) for name, stream in parts.items()}
    if level == "input":
        _refuse_other_slots(cfg, make)
        fusion = make(cfg.fusion, in_features=widths)
        parts, widths = first, {JOINED: fusion.num_features}
    encoders = {
        name: make(stream.encoder or cfg[stream.slot], in_channels=widths[name])
        for name, stream in parts.items()
    }
    widths = {name: encoder.num_features for name, encoder in encoders.items()}
    if level == "maps":
        fusion = make(cfg.fusion, in_features=_map_widths(cfg, encoders, make))
        parts, widths = first, {JOINED: fusion.num_features}
    aggregators = {
        name: _aggregator(cfg, stream, widths[name], make) for name, stream in parts.items()
    }
    widths = {name: aggregator.num_features for name, aggregator in aggregators.items()}
    if level == "feature":
        fusion = _feature_fusion(cfg, widths, make)
        widths = {JOINED: fusion.num_features}
    heads = {
        name: make(cfg.head, in_features=width, num_classes=num_classes)
        for name, width in widths.items()
    }
    if level == "logits":
        logits = {name: num_classes or width for name, width in widths.items()}
        fusion = make(cfg.fusion, in_features=logits)
    return make.join(
        Recognizer,
        encoders,
        aggregators,
        fusion,
        heads if level == "logits" else heads[JOINED],
        cfg.get("max_clips_per_forward", 32),
        [str(name) for name, stream in cfg.streams.items() if stream.stack],
        cfg.get("stream_dropout", 0.0),
    )


def _channels(cfg: DictConfig, stream: DictConfig, make: Make) -> Any:
    # the class mostly says it; a source itself need not be built on the network's device
    channels = class_fact(stream.source, "channels", None) or make(stream.source).channels
    if not stream.stack:
        return channels
    return make.join(operator.mul, channels, stream.num_frames or cfg.clip.num_frames)


def _aggregator(cfg: DictConfig, stream: DictConfig, width: Any, make: Make) -> Any:
    if class_fact(cfg.head, "reads_steps", False):  # what is left to it is features()
        from stfw.models.aggregators.mean import Mean

        return make.join(Mean, width)
    return make(stream.aggregator or cfg.aggregator, in_features=width)


def _feature_fusion(cfg: DictConfig, widths: dict[str, Any], make: Make) -> Any:
    fusion = make(cfg.fusion, in_features=widths)
    if not class_fact(cfg.head, "reads_steps", False):
        return fusion
    if len(widths) > 1:
        make.refuse(
            f"head: {_name(cfg.head)} reads the steps of one stream, and {_name(cfg.fusion)} joins "
            f"features of {', '.join(widths)}; choose fusion=late_mean, which has a head for each"
        )
    from stfw.models.fusions.concat import Concat

    return make.join(Concat, widths)  # nothing to join: no parameters that never learn


def _map_widths(cfg: DictConfig, encoders: dict[str, Any], make: Make) -> dict[str, Any]:
    """Channels of the encoders' maps: their ``map_features``, or else ``num_features``."""
    for name, encoder in encoders.items():
        if not hasattr(encoder, "maps"):
            make.refuse(
                f"fusion: {_name(cfg.fusion)} joins maps, and the encoder of streams.{name}, "
                f"{type(encoder).__name__}, has none; choose a convolutional one, or fusion=concat"
            )
    return {
        name: getattr(encoder, "map_features", encoder.num_features)
        for name, encoder in encoders.items()
    }


def _refuse_other_slots(cfg: DictConfig, make: Make) -> None:
    if len({stream.slot for stream in cfg.streams.values()}) > 1:
        make.refuse(
            f"fusion: {_name(cfg.fusion)} joins pictures before one encoder, and among "
            f"{', '.join(cfg.streams)} there is sound; choose fusion=concat or late_mean"
        )


def _name(node: DictConfig) -> str:
    return str(node._target_).rpartition(".")[2]
