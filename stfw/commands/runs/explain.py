"""``stfw runs explain``: a key of the config: meaning, type, default, value, and who set it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from omegaconf import DictConfig, OmegaConf

from stfw.assemble import ROOT_HINTS, STREAM_HINTS
from stfw.check import describe
from stfw.commands.runs.select import read_words
from stfw.commands.runs.settings import (
    Setting,
    file_comment,
    find_choice,
    find_settings,
    group_file,
    options_of,
    sibling_comment,
)
from stfw.commands.runs.show import exact
from stfw.commands.runs.signature import Argument, arguments, summary
from stfw.config import Composed, compose, groups, to_plain
from stfw.runs.config_text import MISSING, flatten, value_at
from stfw.runs.entry import Entry, find_entry
from stfw.types import UserError, nearest

USAGE = """usage: stfw runs explain <key> [<run> | <override> ...] [runs_dir=runs] [--json]

what a key of the composed config means, its type and default, its value, and which file or
override set it: in the defaults, with overrides, or in a run
  stfw runs explain optimizer.lr
  stfw runs explain optimizer.lr model=i3d optimizer=sgd
"""
RESERVED = {"_partial_": "built later, with what the run supplies"}
LOADER = "stfw.data.datamodule.Loader"  # whose keys stand beside the reader's


@dataclass(frozen=True)
class Explained:
    """A key.

    Attributes:
        key: dotted.
        value: resolved; ``MISSING`` where it is not in the config.
        follows: the interpolation that it is, ``${clip.num_frames}``; empty: none.
        comment: beside it in YAML.
        argument: of the constructor that it goes to, if it does.
        settings: where it is set, the last one merged last.
        choice: where its group's option is chosen.
        options: of a group: what there is.
        parts: of a mapping: its keys.
        followers: keys that take their value from it.
        note: on how the run and today's configs differ.
    """

    key: str
    value: Any
    follows: str
    comment: str
    argument: Argument | None
    settings: list[Setting]
    choice: Setting | None
    options: list[str]
    parts: list[str]
    followers: list[str]
    note: str


def main(words: Sequence[str]) -> None:
    if not words or {"-h", "--help"} & set(words):
        print(USAGE, end="")
        return
    given = read_words(words, {"runs_dir": "runs"}, ("--json",))
    if not given.words or "=" in given.words[0]:
        raise UserError("name a key first: stfw runs explain <key> [<run> | <override> ...]")
    key, rest = given.words[0], given.words[1:]
    names = [word for word in rest if "=" not in word and not word.startswith("~")]
    if len(names) > 1 or (names and len(rest) > 1):
        raise UserError("explain takes one run, or overrides, not both")
    entry = find_entry(names[0], given.options["runs_dir"]) if names else None
    told = of_run(key, entry) if entry else explain(key, compose("train", rest))
    if "--json" in given.flags:
        plain = {**asdict(told), "value": None if told.value is MISSING else told.value}
        print(json.dumps(plain, indent=2, ensure_ascii=False))
    else:
        show(told)


def of_run(key: str, run: Entry) -> Explained:
    """A key as it was in a run; what set it comes from composing its overrides again.

    Raises:
        UserError: the run has no such key.
    """
    value = run.value(key) if key in run.choices else value_at(run.config, key)
    if value is MISSING:
        known = [name for name in run.known_keys() if "." in name]
        raise UserError(f"{key}: this run's config has no such key{nearest(key, known)}")
    overrides = [str(text) for text in run.record.get("overrides") or ()]
    try:
        now = explain(key, compose("train", overrides))
    except UserError as error:
        note = f"today's configs do not tell more of this run: {str(error).splitlines()[0]}"
        return Explained(key, value, "", "", None, [], None, [], [], [], note)
    note = ""
    if now.value != value and not isinstance(value, dict):
        note = f"the configs have changed since: today's give {exact(now.value)}"
    return Explained(**{**vars(now), "value": value, "note": note})


def explain(key: str, composed: Composed) -> Explained:
    """A key of a composition.

    Raises:
        UserError: there is no such key, nor could one be added.
    """
    cfg = composed.cfg
    plain = to_plain(cfg)
    value: Any = plain
    for part in key.split("."):
        value = value.get(part, MISSING) if isinstance(value, dict) else MISSING
    argument, group = find_argument(cfg, key), key.split(".")[0]
    options = options_of(key)
    if value is MISSING and argument is None and not options:
        names = [*flatten(plain), *groups(), *_branches(plain)]
        raise UserError(f"{key}: the composed config has no such key{nearest(key, names)}")
    settings = find_settings("train", composed.overrides, key)
    choice = find_choice("train", composed.overrides, group) if options_of(group) else None
    followers = [] if value is MISSING else _followers(cfg, key)
    chosen = composed.choices.get(key)
    first = settings[:1] if argument is not None else settings  # later ones may say why, not what
    comment = next((s.comment for s in first if s.comment), "")
    if options and chosen and (path := group_file(key, chosen)):
        comment = file_comment(path) or comment
    elif key.endswith("_target_"):
        comment = summary(str(value))
    elif isinstance(value, dict) and "_target_" in value:
        comment = comment or summary(str(value["_target_"]))
    if not comment and argument is None:  # what is done with it says what it means
        passed_on = (find_argument(cfg, follower) for follower in followers)
        comment = next((a.meaning for a in passed_on if a and a.meaning), "")
    if not comment and argument is None and "." in key and not key.startswith("data."):
        comment = sibling_comment(group, key.split(".")[1:])
    return Explained(
        key=key,
        value=chosen if chosen and options else value,
        follows=_interpolation(cfg, key),
        comment=comment or RESERVED.get(key.rpartition(".")[2], ""),
        argument=argument,
        settings=settings,
        choice=choice,
        options=options,
        parts=[f"{key}.{name}" for name in value] if isinstance(value, dict) else [],
        followers=followers,
        note="" if value is not MISSING or options else f"not in the config; add +{key}=...",
    )


def find_argument(cfg: DictConfig, key: str) -> Argument | None:
    """The argument that a key becomes, of the nearest ``_target_`` above it."""
    parent, _, name = key.rpartition(".")
    node: Any = OmegaConf.select(cfg, parent) if parent else None
    if not isinstance(node, DictConfig) or "_target_" not in node:
        return None
    found = arguments(str(node._get_node("_target_")))
    if name not in found and parent == "data":
        found = arguments(LOADER)
    return found.get(name)


def show(told: Explained) -> None:
    """Prints it; the last line is the value and who set it."""
    argument, lines = told.argument, [("meaning", told.comment)]
    if argument is not None:
        if told.comment:
            lines.append(("argument", argument.meaning))
        else:
            lines[0] = ("meaning", argument.meaning)
        lines.append(("of", argument.owner))
    lines.append(("type", _type(told)))
    if argument is not None:
        default = "none, it has to be given" if argument.default is None else argument.default
        lines.append(("default", default))
    lines.append(("options", ", ".join(told.options)))
    lines.append(("keys", ", ".join(told.parts)))
    if told.choice is not None:
        lines.append(("chosen by", f"{told.choice.where}  {told.choice.text}"))
    for place, setting in enumerate(told.settings):
        about = f"  # {setting.comment}" if place and setting.comment else ""
        lines.append(
            ("then" if place else "set by", f"{setting.where}  {_short(setting.text)}{about}")
        )
    lines.append(("follows", told.follows))
    lines.append(("used by", ", ".join(told.followers)))
    lines.append(("note", told.note))
    for label, text in lines:
        if text:
            print(f"{label:<9} {text}")
    value = (
        "" if isinstance(told.value, dict) or told.value is MISSING else f" = {exact(told.value)}"
    )
    places = [s.where for s in (told.choice, *told.settings[-1:]) if s is not None]
    last = places[0] if told.options else places[-1] if places else ""
    print(f"{told.key}{value}{f'  {last}' if last and not told.note else ''}")


def _type(told: Explained) -> str:
    if told.argument is not None:
        return told.argument.hint
    hints = STREAM_HINTS if told.key.startswith("streams.") else ROOT_HINTS
    if (name := told.key.rpartition(".")[2]) in hints and hints[name] is not None:
        return describe(hints[name])
    if told.options or told.value is MISSING or isinstance(told.value, dict):
        return ""
    return "" if told.value is None else type(told.value).__name__


def _followers(cfg: DictConfig, key: str) -> list[str]:
    """Keys whose value is an interpolation of this one."""
    raw = OmegaConf.to_container(cfg, resolve=False)
    return [name for name, value in flatten(raw).items() if value == f"${{{key}}}"]


def _interpolation(cfg: DictConfig, key: str) -> str:
    parent, _, name = key.rpartition(".")
    node: Any = OmegaConf.select(cfg, parent) if parent else cfg
    raw = node._get_node(name) if isinstance(node, DictConfig) and name in node else None
    text = getattr(raw, "_value", lambda: None)()
    return text if isinstance(text, str) and "${" in text else ""


def _branches(tree: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Dotted names of the mappings in a tree."""
    found = []
    for name, value in tree.items():
        if isinstance(value, dict):
            found += [f"{prefix}{name}", *_branches(value, f"{prefix}{name}.")]
    return found


def _short(text: str, most: int = 90) -> str:
    return text if len(text) <= most else f"{text[: most - 3]}..."
