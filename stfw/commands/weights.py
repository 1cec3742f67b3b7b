"""``stfw weights``: imports somebody else's checkpoint, and shows what a weights file holds."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stfw.types import UserError, nearest

if TYPE_CHECKING:
    from omegaconf import DictConfig

USAGE = """usage: stfw weights import <file> as=<preset> [from=<source>] [classes=<text file>]
                           [out=<file>.safetensors] [-- <overrides>]
       stfw weights show <file>.safetensors

import reads torch files (plain tensors alone), safetensors and .npz, and writes a weights file that
train takes as weights=<file>; success means that every tensor has found its place. Overrides of the
preset stand after --, for example: -- streams=flow encoder.depth=101
"""
KEYS = ("as", "from", "classes", "out")
WORDS = ("import", "show")


def main(words: Sequence[str]) -> None:
    if not words or {"-h", "--help"} & set(words):
        print(USAGE, end="")
        return
    if words[0] not in WORDS:
        raise UserError(
            f"{words[0]}: no such word{nearest(words[0], WORDS)} (there are: {', '.join(WORDS)})"
        )
    if words[0] == "show":
        if len(words) != 2:
            raise UserError("name one weights file: stfw weights show <file>.safetensors")
        show(Path(words[1]).expanduser())
    else:
        import_weights(**vars(parse(words[1:])))


def parse(words: Sequence[str]) -> argparse.Namespace:
    """The words of ``import``.

    Raises:
        UserError: no file, no preset, or a key that there is not.
    """
    at = list(words).index("--") if "--" in words else len(words)
    given: dict[str, str] = {}
    files = []
    for word in words[:at]:
        key, found, value = word.partition("=")
        if not found or Path(word).exists():
            files.append(word)
        elif key not in KEYS:
            raise UserError(
                f"{word}: no such key{nearest(key, KEYS)} (there are: {', '.join(KEYS)}; "
                "overrides of the preset stand after --)"
            )
        else:
            given[key] = value
    if len(files) != 1 or "as" not in given:
        raise UserError("name the file and the preset: stfw weights import <file> as=<preset>")
    return argparse.Namespace(
        file=Path(files[0]).expanduser(),
        preset=given["as"],
        source=given.get("from"),
        classes=given.get("classes"),
        out=given.get("out"),
        overrides=list(words[at + 1 :]),
    )


def import_weights(
    file: Path,
    preset: str,
    source: str | None,
    classes: str | None,
    out: str | None,
    overrides: Sequence[str],
) -> None:
    """Converts, compares every key with the preset's network, writes.

    Raises:
        UserError: a key that does not fit, or an argument.
    """
    from stfw.assemble import check
    from stfw.config import compose

    cfg = compose("train", [f"model={preset}", *overrides]).cfg
    check(cfg)
    target = _target(out)
    names = _class_names(classes)
    stream, encoder = _only_encoder(cfg)
    import stfw
    from stfw.commands.origins import pixels, settle
    from stfw.models.convert import convert
    from stfw.models.states import few
    from stfw.runs import weights_file
    from stfw.runs.checkpoint_io import file_digest
    from stfw.runs.foreign import read_foreign
    from stfw.video.probe import cache_dir

    foreign = read_foreign(file)
    try:
        result = convert(foreign, encoder, lambda number: _network(cfg, number), source)
        network, settings, told = settle(cfg, stream, result.networks, overrides)
    except UserError as error:
        raise UserError(f"{file}, as={preset}: {error}") from error
    if names is not None and len(names) != result.num_classes:
        raise UserError(
            f"classes={classes} has {len(names)} names and the weights {result.num_classes} classes"
        )
    seen, more = pixels(cfg, stream, network, overrides)
    sha256 = file_digest(file)
    path = target or cache_dir() / "weights" / f"{preset}-{sha256[:12]}.safetensors"
    about = {
        "preset": preset,
        "overrides": shlex.join(overrides) or None,
        "source": result.source,
        "file": file.name,
        "sha256": sha256,
        "num_classes": result.num_classes,
        "classes": names,
        "settings": settings or None,
        "input": _input(cfg, stream) | seen,
        "dropped": result.dropped or None,
        "stfw": stfw.__version__,
    }
    weights_file.write(path, result.state, about)
    count = sum(value.numel() for value in result.state.values())
    head = f"{result.num_classes} classes" if result.num_classes else "no head"
    print(f"from {result.source}: {len(result.state)} tensors, {count:,} values, {head}")
    if result.dropped:
        print(f"{len(result.dropped)} tensors have no part in it: {few(result.dropped)}")
    for line in (*told, *more):
        print(line)
    print(f"weights {path}")


def show(path: Path) -> None:
    """Prints what a weights file says of itself, after its checksum.

    Raises:
        UserError: not a weights file of stfw, or damaged.
    """
    if not path.is_file():
        raise UserError(f"{path}: there is no such file")
    from stfw.runs import weights_file

    state, about = weights_file.read(path)
    if about.get("format") != weights_file.FORMAT:
        raise UserError(f"{path}: not of stfw; bring it in: stfw weights import {path} as=<preset>")
    width = max(map(len, about))
    for name, value in sorted(about.items()):
        if name == "classes":
            value = f"{len(value)}: {', '.join(value[:5])}{', ...' if len(value) > 5 else ''}"
        elif isinstance(value, dict):
            value = "  ".join(f"{key}={item}" for key, item in value.items())
        elif isinstance(value, list):
            value = ", ".join(value)
        print(f"{name:<{width}}  {value}")
    count = sum(value.numel() for value in state.values())
    print(f"{len(state)} tensors, {count:,} values; the checksum fits")


def _network(cfg: DictConfig, num_classes: int) -> Any:
    """Encoder and head on the meta device, under the names of a weights file."""
    from torch import nn

    from stfw.assemble import assemble_network
    from stfw.build import Build
    from stfw.models.complexity import on_meta

    with on_meta():
        network = assemble_network(cfg, Build(), num_classes)
    (encoder,) = network.encoders.values()
    head = network.head
    if isinstance(head, nn.ModuleDict):  # a fusion of logits has a head per stream
        (head,) = head.values()
    return nn.ModuleDict({"encoder": encoder, "head": head})


def _only_encoder(cfg: DictConfig) -> tuple[str, str]:
    """The only stream and the module of its encoder.

    Raises:
        UserError: there are several streams.
    """
    if len(cfg.streams) != 1:
        raise UserError(
            f"the preset has {len(cfg.streams)} streams ({', '.join(map(str, cfg.streams))}); "
            "weights are imported for one: -- streams=rgb"
        )
    ((name, stream),) = cfg.streams.items()
    return str(name), str((stream.encoder or cfg[stream.slot])._target_).split(".")[-2]


def _input(cfg: DictConfig, stream: str) -> dict[str, Any]:
    """The clip that the network is made for."""
    keys = ("num_clips", "num_frames", "frame_interval", "fps", "short_side", "crop_size")
    return {"stream": stream, **{key: cfg.clip[key] for key in keys}}


def _class_names(path: str | None) -> list[str] | None:
    """One name per line."""
    if path is None:
        return None
    try:
        text = Path(path).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"classes={path}: cannot be read as text: {error}") from error
    names = [line.strip() for line in text.splitlines() if line.strip()]
    if len(set(names)) != len(names):
        raise UserError(f"classes={path}: a name stands there twice")
    return names


def _target(out: str | None) -> Path | None:
    if out is None:
        return None
    path = Path(out).expanduser()
    if path.suffix != ".safetensors":
        raise UserError(f"out={out}: weights are written as .safetensors")
    return path
