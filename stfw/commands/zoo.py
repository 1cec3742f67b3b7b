"""``stfw zoo``: every preset's exact size beside the published; ``zoo check`` demands equality."""

from __future__ import annotations

import argparse
import copy
import functools
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from stfw.config import compose, conf_dir, groups
from stfw.types import UserError, VideoInfo, nearest
from stfw.zoo import Reference, Unmeasured, references, unmeasured

TOLERANCE = 1e-3  # of GMACs; parameters must be exact
NUM_CLASSES = 400  # Kinetics-400, where no reference says otherwise


@dataclass(frozen=True)
class Size:
    """What a composed network is.

    Attributes:
        input: per stream, one view: N C T H W (sound: N 1 M L).
        views: the preset's test protocol.
        parameters: exact.
        gmacs: of one view.
    """

    input: str
    views: str
    parameters: int
    gmacs: float


@dataclass(frozen=True)
class Row:
    """A preset or one of its settings, and what is known of it."""

    model: str
    overrides: tuple[str, ...]
    ours: Size
    reference: Reference | None
    unmeasured: Unmeasured | None = None

    @property
    def difference(self) -> str:
        """In words; empty where nothing differs."""
        if self.reference is None:
            return ""
        parts = []
        if self.ours.parameters != self.reference.parameters:
            parts.append(f"{self.ours.parameters - self.reference.parameters:+,} parameters")
        if self.reference.gmacs:
            ratio = self.ours.gmacs / self.reference.gmacs - 1
            if abs(ratio) > TOLERANCE:
                parts.append(f"{ratio:+.2%} GMACs")
        return ", ".join(parts)


def main(words: Sequence[str]) -> None:
    """Prints the table; with ``check`` exits with 1 if a count is not the reference's."""
    parser = argparse.ArgumentParser(prog="stfw zoo", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="[check] [preset]", help="presets; none: all of them"
    )
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    arguments = parser.parse_args(list(words))
    demands = arguments.names[:1] == ["check"]
    rows = table(arguments.names[demands:], only_references=demands)
    show(rows)
    if arguments.json:
        arguments.json.write_text(json.dumps([as_plain(row) for row in rows], indent=1) + "\n")
    if demands:
        wrong = [row for row in rows if row.difference]
        for row in wrong:
            print(f"differs: {setting(row)}: {row.difference}", file=sys.stderr)
        num_models = len({row.model for row in rows})
        print(f"{len(rows) - len(wrong)} of {len(rows)} settings of {num_models} presets are exact")
        unknown = sum(row.reference is not None and not row.reference.gmacs for row in rows)
        if unknown:
            print(f"{unknown} of them are compared by parameters alone; their notes say why")
        if wrong:
            sys.exit(1)


def table(names: Sequence[str], only_references: bool = False) -> list[Row]:
    """A row for every reference of the presets, and one for each preset not compared as it stands.

    Raises:
        UserError: a name is no preset.
    """
    presets = groups(conf_dir())["model"]
    for name in names:
        if name not in presets:
            raise UserError(f"{name}: no such model{nearest(name, presets) or '; see stfw zoo'}")
    known: dict[str, list[Reference]] = {}
    for reference in references():
        known.setdefault(reference.model, []).append(reference)
    reasons = unmeasured() if not only_references else {}
    rows = []
    for name in names or presets:
        for reference in known.get(name, []):
            size = measure(name, reference.overrides, reference.num_classes)
            rows.append(Row(name, reference.overrides, size, reference))
        if (name in reasons or name not in known) and not only_references:
            size = measure(name, (), NUM_CLASSES)
            rows.append(Row(name, (), size, None, reasons.get(name)))
    return rows


def measure(model: str, overrides: Sequence[str], num_classes: int) -> Size:
    """Builds a preset on the meta device, without memory, and counts."""
    from stfw.assemble import assemble_network
    from stfw.build import Build
    from stfw.models.complexity import gmacs, num_parameters, on_meta

    choices = tuple(word for word in overrides if "." not in word.split("=", 1)[0])
    cfg = copy.deepcopy(_chosen(model, choices))
    values = [word for word in overrides if word not in choices]
    for override in OverridesParser.create().parse_overrides(values):
        OmegaConf.update(cfg, override.key_or_group, override.value())
    shapes = input_shapes(cfg)
    with on_meta():
        network = assemble_network(cfg, Build(), num_classes)
    return Size(
        input=", ".join(f"{name} {'x'.join(map(str, s[2:]))}" for name, s in shapes.items()),
        views=str(cfg.views),
        parameters=num_parameters(network),
        gmacs=gmacs(network, shapes),
    )


@functools.lru_cache(maxsize=4)  # the settings of a preset follow each other
def _chosen(model: str, choices: tuple[str, ...]) -> DictConfig:
    return compose("train", [f"model={model}", *choices]).cfg


def input_shapes(cfg: DictConfig) -> dict[str, tuple[int, ...]]:
    """Stream -> shape of one view of a ten-second video: 1 1 N C T H W (sound: 1 1 N 1 M L)."""
    from stfw.assemble import assemble_streams
    from stfw.build import Build
    from stfw.data.streams.audio import Audio

    short_side = cfg.clip.short_side or 256
    info = VideoInfo("ten seconds", 300, 30.0, short_side, short_side * 4 // 3, has_audio=True)
    view = Build()(cfg.sampler)(info, None)[0]
    size: tuple[int, ...] = (cfg.clip.crop_size, cfg.clip.crop_size)
    if view.boxes_N4 is not None:
        size = tuple(map(int, view.boxes_N4[0, 2:]))
    shapes: dict[str, tuple[int, ...]] = {}
    for name, stream in assemble_streams(cfg, Build()).items():
        if isinstance(stream.source, Audio):
            shapes[name] = (1, 1, *stream.source.silence(len(view.frames_NT)).shape)
        else:
            num_clips, num_frames = stream.take(view.frames_NT).shape
            shapes[name] = (1, 1, num_clips, stream.source.channels, num_frames, *size)
    return shapes


def setting(row: Row) -> str:
    """The words that compose it."""
    return " ".join([f"model={row.model}", *row.overrides])


def show(rows: Sequence[Row]) -> None:
    """Prints ours, and below it the reference and what the reference prints of itself."""
    for row in rows:
        ours, known = row.ours, row.reference
        print(f"{setting(row)}   {ours.input}   views {ours.views}")
        print(f"    ours      {ours.parameters:>13,} parameters {ours.gmacs:>10.3f} GMACs")
        if known is None:
            if row.unmeasured:
                printed = f"printed {row.unmeasured.printed}: " if row.unmeasured.printed else ""
                print(f"    reference none   {printed}{row.unmeasured.reason}")
            continue
        gmacs = f"{known.gmacs:>10.3f} GMACs" if known.gmacs else "         ? GMACs"
        print(
            f"    reference {known.parameters:>13,} parameters {gmacs}   "
            f"{row.difference or 'the same'}   ({known.source}, {known.num_classes} classes)"
        )
        if known.printed or known.note:
            why = f": {known.note}" if known.note else ""
            print(f"    printed   {known.printed or 'nothing'}{why}")


def as_plain(row: Row) -> dict[str, Any]:
    """A row for a JSON file."""
    plain: dict[str, Any] = {"setting": setting(row), **vars(row.ours)}
    if row.reference is not None:
        known = {**vars(row.reference), "overrides": list(row.overrides)}
        plain |= {"reference": known, "difference": row.difference}
    elif row.unmeasured is not None:
        plain["unmeasured"] = vars(row.unmeasured)
    return plain
