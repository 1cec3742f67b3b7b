"""Where imported weights come from: what that asks of a config, and what a person is told."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from omegaconf import DictConfig, OmegaConf

from stfw.models.origin import Network, choose, overrides, plain, unlike

NORMALIZE = "transform.batch.normalize"
COLOUR, MOTION = ("mean", "std"), ("motion_std",)


def settle(
    cfg: DictConfig, stream: str, networks: Sequence[Network], given: Sequence[str]
) -> tuple[Network, dict[str, Any], list[str]]:
    """The network that weights are of, its settings as the config has them, and remarks.

    Args:
        cfg: composed for the import.
        stream: whose encoder takes the weights.
        networks: what the weights may be of.
        given: the person's overrides.

    Raises:
        UserError: the encoder has the settings of none.
    """
    room, own = encoder_of(cfg, stream)
    named = {key.removeprefix(f"{room}.") for key in keys(given)}
    network = choose(networks, own, room, named)
    told = []
    if differing := unlike(network.settings, own):
        told.append(f"taken as you say; {network.name} has {overrides(room, differing)}")
    for other in networks:
        if other is not network and (differing := unlike(other.settings, own)):
            told.append(
                f"taken as {network.name}; the same names and shapes are those of {other.name}, "
                f"which needs {overrides(room, differing)}"
            )
    return network, {key: own.get(key) for key in network.settings}, told


def pixels(
    cfg: DictConfig, stream: str, network: Network, given: Sequence[str]
) -> tuple[dict[str, Any], list[str]]:
    """The normalisation of a stream's input to record, and remarks.

    It is the person's where they gave one, else that of the weights' training, else the preset's.
    """
    own = normalize(cfg)
    kept = {key: own[key] for key in _keys_of(cfg, stream) if key in own}
    theirs = {k: plain(v) for k, v in asdict(network.pixels).items()} if network.pixels else {}
    asked = keys(given)
    found, told = dict(kept), []
    for key in kept:
        if f"{NORMALIZE}.{key}" in asked:
            continue
        if theirs.get(key) is None:
            told = [f"how {network.name} normalises is not known; the preset's is recorded"]
        else:
            found[key] = theirs[key]
    if differing := unlike(found, kept):
        told.append(
            f"trained with {overrides(NORMALIZE, differing)} (the preset has "
            f"{overrides(NORMALIZE, {key: kept[key] for key in differing})}): predict and test "
            "take it from the file, to train give it"
        )
    return found, told + [f"pixels: {network.note}"] * bool(network.note)


def remarks(cfg: DictConfig, about: Mapping[str, Any]) -> list[str]:
    """What a run that starts from a weights file has otherwise than its network had."""
    told: dict[str, None] = {}
    settings = about.get("settings", {})
    for name, stream in cfg.streams.items():
        if stream.slot != "encoder":
            continue
        room, own = encoder_of(cfg, str(name))
        if settings.keys() <= own.keys() and (differing := unlike(settings, own)):
            told[f"they were made with {overrides(room, differing)}"] = None
    return [*told, *normalised(cfg, about.get("input", {}))]


def normalised(cfg: DictConfig, theirs: Mapping[str, Any]) -> list[str]:
    """A remark where weights saw otherwise normalised pixels than a run gives them."""
    used = {key for stream in cfg.streams for key in _keys_of(cfg, str(stream))}
    seen = {key: value for key, value in theirs.items() if key in used}
    own = normalize(cfg)
    if not own or not (differing := unlike(seen, own)):
        return []
    return [f"they were trained with {overrides(NORMALIZE, differing)}"]


def normalize(cfg: DictConfig) -> dict[str, Any]:
    """The settings of the step that normalises; empty: there is none."""
    normalize = OmegaConf.select(cfg, NORMALIZE)
    plain = None if normalize is None else OmegaConf.to_container(normalize, resolve=True)
    return plain if isinstance(plain, dict) else {}  # type: ignore[return-value]


def encoder_of(cfg: DictConfig, stream: str) -> tuple[str, dict[str, Any]]:
    """Where a stream's encoder stands in a config, and its settings."""
    node = cfg.streams[stream]
    room = node.slot if node.encoder is None else f"streams.{stream}.encoder"
    own = OmegaConf.to_container(OmegaConf.select(cfg, room), resolve=True)
    assert isinstance(own, dict)
    return str(room), {str(key): value for key, value in own.items()}


def keys(given: Sequence[str]) -> Collection[str]:
    """The keys of overrides."""
    return {text.partition("=")[0].lstrip("+~") for text in given}


def _keys_of(cfg: DictConfig, stream: str) -> tuple[str, ...]:
    """The numbers that normalise a stream's kind of input."""
    kind = str(cfg.streams[stream].source._target_).rpartition(".")[2].lower()
    return {"rgb": COLOUR, "flow": MOTION, "difference": MOTION}.get(kind, ())
