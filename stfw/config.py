"""Composing a run from YAML and overrides; the only place, with check, that speaks Hydra.

torch is not imported here, so that composing and its mistakes cost a second.
"""

from __future__ import annotations

import copy
import functools
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.errors import HydraException, OverrideParseException
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from stfw.types import UserError, nearest


class UserConfigs(SearchPathPlugin):
    """Lets ``STFW_CONF`` be searched before the shipped configs."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        folder = os.environ.get("STFW_CONF")
        if folder:
            path = Path(folder).expanduser().resolve()
            if not path.is_dir():
                raise UserError(f"STFW_CONF={folder}: there is no such folder")
            search_path.prepend("stfw-user", f"file://{path}")


Plugins.instance().register(UserConfigs)


def conf_dir() -> Path:
    """The shipped configs: inside the package in a wheel, beside it in a clone."""
    inside = Path(__file__).parent / "conf"
    return inside if inside.is_dir() else Path(__file__).parents[1] / "conf"


@dataclass(frozen=True)
class Composed:
    """A composed run.

    Attributes:
        cfg: the tree, interpolations alive.
        choices: group -> chosen option, for the groups that were chosen.
        overrides: as typed.
    """

    cfg: DictConfig
    choices: dict[str, str]
    overrides: list[str]


PRESETS = ("model", "experiment")  # these choose and set other groups
KEPT = (*PRESETS, "data", "callbacks")  # what is chosen in these leaves what a preset set


def compose(root: str, overrides: Sequence[str]) -> Composed:
    """Composes ``conf/<root>.yaml`` with overrides.

    What a preset sets in a group is meant for the option that it chose: a group that the overrides
    choose otherwise comes as its own file says.

    Raises:
        UserError: an unknown group, option or key, or an override that does not parse.
    """
    composed = compose_root(root, overrides)
    keys = [text.split("=", 1)[0] for text in overrides]
    # what stands within another group's option, as fusion@fusion.first, no shipped preset chooses
    chosen = {key for key in keys if key in composed.choices and key not in KEPT and "@" not in key}
    if not chosen:
        return composed
    user = os.environ.get("STFW_CONF")
    preset = _choices_of(root, tuple(_chosen_elsewhere(overrides, keys, chosen)), user)
    changed = {group for group in chosen if preset.get(group) != composed.choices[group]}
    if changed:
        kept = [
            text
            for text, key in zip(overrides, keys, strict=True)
            if _group(key) in changed and key != "data"
        ]
        # a data set may change a group as well, whoever chose it
        plain = _plain(root, (*kept, f"data={composed.choices['data']}"), user)
        with open_dict(composed.cfg):
            for group in changed:
                if group == "trainer" and "experiment" in composed.choices:
                    _lay_over(composed.cfg[group], plain[group], _plain(root, (), user).trainer)
                else:
                    composed.cfg[group] = copy.deepcopy(plain[group])
    return composed


def _lay_over(recipe: DictConfig, chosen: DictConfig, usual: DictConfig) -> None:
    """A recipe's epochs and precision hold on any trainer; what the chosen one says wins."""
    for key, value in chosen.items():
        if key not in usual or value != usual[key]:
            recipe[key] = value


@functools.lru_cache(maxsize=64)
def _plain(root: str, overrides: tuple[str, ...], user: str | None) -> DictConfig:
    """Groups as no preset changes them, not to be written to; ``user`` as in ``_choices_of``."""
    return compose_root(root, [*overrides, "~model"]).cfg


@functools.lru_cache(maxsize=64)
def _choices_of(root: str, overrides: tuple[str, ...], user: str | None) -> dict[str, str]:
    """What is chosen in every group; ``user`` is the folder that is searched first."""
    return compose_root(root, overrides).choices


def _chosen_elsewhere(overrides: Sequence[str], keys: Sequence[str], chosen: set[str]) -> list[str]:
    """The overrides that choose in other groups: values choose nothing."""
    known = groups()
    return [
        text
        for text, key in zip(overrides, keys, strict=True)
        if "." not in key.split("@", 1)[0] and _group(key) in known and _group(key) not in chosen
    ]


def _group(key: str) -> str:
    """``fusion`` of ``fusion``, ``fusion.streams``, ``+fusion.new`` and ``fusion@fusion.first``."""
    return key.lstrip("+~").rpartition("@")[2].split(".", 1)[0]


def compose_root(root: str, overrides: Sequence[str]) -> Composed:
    """Composes ``conf/<root>.yaml`` as Hydra does; for a run there is ``compose``.

    Raises:
        UserError: see ``compose``.
    """
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(conf_dir()), version_base="1.3"):
            try:
                cfg = hydra_compose(root, list(overrides), return_hydra_config=True)
                choices = _choices(cfg)
                HydraConfig.instance().cfg = None
                with open_dict(cfg):
                    del cfg["hydra"]
            except OverrideParseException as error:
                raise UserError(
                    f"cannot read the override {error.override}: it must be key=value; put values "
                    "with spaces, commas, brackets or = into quotes within quotes, as in "
                    "'data.root=\"a, b\"'"
                ) from error
            except (HydraException, OmegaConfBaseException) as error:
                raise UserError(_explain(str(error), root, overrides)) from error
            except ValueError as error:  # Hydra's, of a group's option that is no text
                raise UserError(_explain_option(str(error), overrides)) from error
    finally:
        GlobalHydra.instance().clear()
    return Composed(cfg, choices, list(overrides))


def groups(folder: Path | None = None) -> dict[str, list[str]]:
    """Group name -> its options, the user's own too; ``ucf101/c3d`` lies in a folder of its group.

    Files and folders whose names begin with ``_`` are only parts of others.
    """
    found: dict[str, set[str]] = {}
    user = os.environ.get("STFW_CONF")
    roots = [folder] if folder else [conf_dir(), *([Path(user).expanduser()] if user else [])]
    for root in roots:
        for path in root.glob("*/**/*.yaml"):
            group, *option = path.relative_to(root).with_suffix("").parts
            if not any(part.startswith("_") for part in option):
                found.setdefault(group, set()).add("/".join(option))
    return {group: sorted(options) for group, options in sorted(found.items())}


def to_plain(cfg: DictConfig) -> dict[str, Any]:
    """The resolved tree as plain containers, fit for a checkpoint.

    Raises:
        UserError: an interpolation points nowhere.
    """
    try:
        plain = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=False)
    except OmegaConfBaseException as error:
        raise UserError(f"{error.full_key or 'config'}: {_first_line(str(error))}") from error
    assert isinstance(plain, dict)
    return plain  # type: ignore[return-value]


def _choices(cfg: DictConfig) -> dict[str, str]:
    chosen = OmegaConf.to_container(cfg.hydra.runtime.choices)
    assert isinstance(chosen, dict)
    return {
        str(group): str(option)
        for group, option in chosen.items()
        if option is not None and not str(group).startswith("hydra/")
    }


def _explain(message: str, root: str, overrides: Sequence[str]) -> str:
    """Hydra's message as one sentence with the way out."""
    if match := re.search(r"Could not (?:find|load) '([^']+)/([^'/]+)'", message):
        group, option = match[1], match[2]
        if group.split("/")[0] in groups():  # an option in a folder, as experiment=ucf101/c3d
            group, _, option = f"{group}/{option}".partition("/")
        options = groups().get(group, [])
        if options:
            listed = ", ".join(options)
            return (
                f"{group}={option}: no such option{nearest(option, options)} (there are: {listed})"
            )
        return f"{group}={option}: there is no group '{group}'{nearest(group, groups())}"
    if match := re.search(r"Could not override '([^']+)'", message):
        return _explain_key(match[1], root, overrides)
    if match := re.search(r"Could not append to config[^']*'([^']+)'", message):
        return f"+{match[1]}: the key is there already; leave out the +"
    if match := re.search(r"Could not delete from config\.?\s*'([^']+)'", message):
        return _explain_key(match[1], root, overrides)
    if match := re.search(r"Could not find '?([\w/.-]+)'?", message):
        return f"{match[1]}: no such config file (named in a defaults list)"
    if "Interpolation key" in message or "interpolation" in message.lower():
        return _first_line(message)
    return " ".join(message.split())


def _explain_key(key: str, root: str, overrides: Sequence[str]) -> str:
    """Says which part of a dotted key does not exist and what was probably meant."""
    if "@" in key:
        group, _, place = key.partition("@")
        return (
            f"{key}: at {place} nothing of conf/{group} is chosen that could be replaced (it is "
            f"added with +{key}=...)"
        )
    whole = {re.split("=", text)[0].lstrip("+~") for text in overrides}
    choices_only = [t for t in overrides if "." not in re.split("=", t)[0] and not _is(t, key)]
    try:
        whole_run = compose if root == "train" else compose_root
        node: Any = whole_run(root, choices_only).cfg if whole else None
    except UserError:
        node = None
    path = key.split(".")
    for depth, part in enumerate(path):
        names = [str(name) for name in node] if isinstance(node, DictConfig) else []
        if part not in names:
            names_and_groups = names + (list(groups()) if depth == 0 else [])
            hint = nearest(part, names_and_groups)
            if not hint and names:
                hint = f"; there are: {', '.join(names)}"
            where = ".".join(path[: depth + 1])
            return f"{where}: no such key{hint} (a new key is added with +{key}=...)"
        node = OmegaConf.select(node, part, throw_on_missing=False)
    return f"{key}: cannot be set"


def _explain_option(message: str, overrides: Sequence[str]) -> str:
    """Which group was given something else than an option's name, as in ``encoder=null``."""
    known = groups()
    for override in OverridesParser.create().parse_overrides(list(overrides)):
        options = known.get(override.key_or_group)
        if options and not isinstance(override.value(), str | list):
            return f"{override.input_line}: name an option (there are: {', '.join(options)})"
    return _first_line(message)


def _is(override: str, key: str) -> bool:
    return override.split("=")[0].lstrip("+~") == key


def _first_line(message: str) -> str:
    return message.strip().splitlines()[0]
