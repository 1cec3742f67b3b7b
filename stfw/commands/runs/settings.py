"""Where a key of a composed run is set: file, line, value and comment, in the order of merging."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode

from stfw.config import conf_dir, groups

COMMAND_LINE = "command line"


@dataclass(frozen=True)
class Setting:
    """One place that sets a key.

    Attributes:
        where: ``conf/optimizer/adamw.yaml:4``, or the command line.
        text: the value as it stands there; of a mapping its names.
        comment: beside it, or the lines above it; empty: none.
    """

    where: str
    text: str
    comment: str


def find_settings(root: str, overrides: Sequence[str], key: str) -> list[Setting]:
    """Every place that sets a key, or something below it, the last one merged last.

    Args:
        root: ``train``.
        overrides: that compose.
        key: dotted.
    """
    found = []
    for path, package in _files(root, tuple(overrides)):
        prefix = f"{package}." if package else ""
        if key == package:
            found.append(Setting(f"{_shown(path)}:1", _names(path), file_comment(path)))
        elif key.startswith(prefix) and (setting := _within(path, key[len(prefix) :].split("."))):
            found.append(setting)
    for text in overrides:
        name, _, value = text.lstrip("+~").partition("=")
        related = name == key or name.startswith(f"{key}.") or key.startswith(f"{name}.")
        if related and not options_of(name):
            shown = "removed" if text.startswith("~") else value if name == key else text
            found.append(Setting(COMMAND_LINE, shown, ""))
    return found


def find_choice(root: str, overrides: Sequence[str], group: str) -> Setting | None:
    """Where a group's option is chosen: the command line, a preset, or the root's defaults."""
    for text in reversed(overrides):
        name, _, value = text.lstrip("+~").partition("=")
        if name == group:
            return Setting(COMMAND_LINE, value, "")
    found = None
    for path, _ in _files(root, tuple(overrides)):
        preset = path.stem != root or path.parent != conf_dir()
        before = "override /" if preset else ""
        pattern = rf"^\s*- {before}{re.escape(group)}(?:@\S+)?: ([^#\n]*)"
        text = path.read_text(encoding="utf-8")
        if (match := re.search(pattern, text, re.M)) and (preset or found is None):
            line = text.count("\n", 0, match.start(1)) + 1
            found = Setting(f"{_shown(path)}:{line}", match[1].strip(), "")
    return found


def options_of(group: str) -> list[str]:
    """The options of a group, the user's own too; empty where there is no such group."""
    return _groups(os.environ.get("STFW_CONF")).get(group, [])


@functools.lru_cache(maxsize=4)
def _groups(user: str | None) -> dict[str, list[str]]:
    """Every group's options; ``user`` is the folder that is searched too."""
    return groups()


def group_file(group: str, option: str) -> Path | None:
    """The file of a group's option, in the user's folder or the shipped one."""
    folders = [Path(os.environ["STFW_CONF"]).expanduser()] if os.environ.get("STFW_CONF") else []
    for folder in (*folders, conf_dir()):
        if (path := folder / group / f"{option}.yaml").is_file():
            return path
    return None


def sibling_comment(group: str, parts: Sequence[str]) -> str:
    """What another option of the group, or another entry of one, says beside the same key."""
    for path in sorted((conf_dir() / group).glob("*.yaml")):
        tree = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        for first in (parts[0], *(str(key) for key, value in tree.items() if parts[1:])):
            found = _within(path, [first, *parts[1:]])
            if found is not None and found.comment:
                return found.comment
    return ""


def file_comment(path: Path) -> str:
    """The comment at the head of a file."""
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        if "@package" not in line:
            lines.append(line.lstrip("# "))
    return " ".join(lines)


@functools.lru_cache(maxsize=8)
def _files(root: str, overrides: tuple[str, ...]) -> list[tuple[Path, str]]:
    """Files and their packages in the order of merging; they compose, or compose has refused."""
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(conf_dir()), version_base="1.3"):
            loader: Any = GlobalHydra.instance().config_loader()
            listed = loader.compute_defaults_list(root, list(overrides), RunMode.RUN).defaults
            files = []
            for item in listed:
                name = str(item.config_path)
                if name.startswith("hydra/") or (item.package or "").startswith("hydra"):
                    continue
                source = loader.repository.load_config(name)
                if source is not None and source.path.startswith("file://"):
                    folder = Path(source.path.removeprefix("file://"))
                    files.append((folder / f"{name}.yaml", item.package or ""))
            return files
    finally:
        GlobalHydra.instance().clear()


def _within(path: Path, parts: Sequence[str]) -> Setting | None:
    text, node = _parsed(path, path.stat().st_mtime_ns)
    key_node: Any = None
    for part in parts:
        if not isinstance(node, yaml.MappingNode):
            return None
        pairs = [(k, v) for k, v in node.value if k.value == part]
        if not pairs:
            return None
        key_node, node = pairs[-1]
    assert node is not None
    lines, line = text.splitlines(), key_node.start_mark.line
    if isinstance(node, yaml.MappingNode):
        shown = ", ".join(str(k.value) for k, _ in node.value) or "{}"
    else:
        shown = " ".join(text[node.start_mark.index : node.end_mark.index].split()) or "null"
    end = line if isinstance(node, yaml.MappingNode) else node.end_mark.line
    return Setting(f"{_shown(path)}:{line + 1}", shown, _comment(lines, line, end))


@functools.lru_cache(maxsize=256)
def _parsed(path: Path, mtime_ns: int) -> tuple[str, Any]:
    """A file's text and its YAML nodes, which know where they stand."""
    text = path.read_text(encoding="utf-8")
    return text, yaml.compose(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def _comment(lines: Sequence[str], begin: int, end: int) -> str:
    """What stands behind ``#`` on the key's lines, else the comment lines right above it."""
    for number in range(begin, min(end + 1, len(lines))):
        _, mark, beside = lines[number].partition(" #")
        if mark and "'" not in beside and '"' not in beside:
            return beside.strip()
        if mark:
            return beside.strip(" '\"")
    above: list[str] = []
    for line in reversed(lines[:begin]):
        if not line.lstrip().startswith("#") or "@package" in line:
            break
        above.insert(0, line.strip("# "))
    at_the_head = len(above) == begin or (
        begin and "@package" in lines[0] and len(above) == begin - 1
    )
    return "" if at_the_head else " ".join(above)  # that one is of the whole file


def _names(path: Path) -> str:
    tree = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    return ", ".join(str(key) for key in tree if key != "defaults")


def _shown(path: Path) -> str:
    try:
        return path.relative_to(conf_dir().parent).as_posix()
    except ValueError:
        return str(path)
