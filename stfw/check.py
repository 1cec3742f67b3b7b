"""The dry run: every mistake in a composed config at once, before anything is built.

The signature is the schema: each ``_target_`` is resolved and its constructor's arguments and type
hints are compared with the keys and plain values that stand there.
"""

from __future__ import annotations

import importlib
import inspect
import os
import re
import types
import typing
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Literal, Union, get_args, get_origin

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from stfw.types import UserError, nearest

ALLOWED_PACKAGES = (
    "stfw",
    "torch.nn",
    "torch.optim",
    "pytorch_lightning",
    "torchmetrics",
    "torchvision",
    "timm",
)
LISTED_FUNCTIONS = {
    f"stfw.tasks.schedules.{name}"
    for name in ("cosine", "multistep", "constant", "onecycle", "plateau")
}
RESERVED = {"_target_", "_partial_", "_convert_", "_recursive_"}


class Supplied:
    """Stands for a part that the dry run does not build; every attribute of it is another."""

    def __getattr__(self, name: str) -> Supplied:
        if name.startswith("__"):
            raise AttributeError(name)
        return Supplied()

    def __len__(self) -> int:
        return 1


class Check:
    """A ``make`` that builds nothing and collects what is wrong. See ``stfw.build``."""

    def __init__(self) -> None:
        self.mistakes: list[str] = []

    def __call__(
        self,
        node: Any,
        *,
        skip: Collection[str] = (),
        only: Collection[str] | None = None,
        target: Callable[..., Any] | None = None,
        **supplied: Any,
    ) -> Any:
        if node is None:
            return None
        keys = [str(k) for k in node if str(k) not in skip and (only is None or str(k) in only)]
        self._node(node, keys, target, set(supplied))
        return Supplied()

    def join(self, part: Callable[..., Any], *args: Any, **parts: Any) -> Any:
        return Supplied()

    def refuse(self, message: str) -> None:
        self.mistakes.append(message)

    def expect(self, node: DictConfig, key: str, hint: Any) -> None:
        """Compares one plain value with a type."""
        if key not in node:
            self.mistakes.append(f"{_path(node, key)}: is missing")
        else:
            self._value(node, key, hint)

    def raise_if_wrong(self) -> None:
        """Raises one UserError with a line for every mistake."""
        if self.mistakes:
            raise UserError("\n".join(dict.fromkeys(self.mistakes)))

    def _node(
        self,
        node: DictConfig,
        keys: Sequence[str],
        target: Callable[..., Any] | None,
        supplied: set[str],
    ) -> None:
        if target is None and "_target_" in node:
            try:
                target = resolve_target(str(node._get_node("_target_")), _path(node, "_target_"))
            except UserError as error:
                self.mistakes.append(str(error))
                return
        if target is None:  # a mapping of named parts
            for key in keys:
                self._value(node, key, Any)
            return
        arguments, hints = _signature(target)
        title = f"{target.__module__}.{target.__qualname__}"
        for key in keys:
            if key in RESERVED:
                continue
            if key not in arguments:
                self.mistakes.append(
                    f"{_path(node, key)}: {title} has no such argument{nearest(key, arguments)}"
                )
                continue
            self._value(node, key, hints.get(key, Any))
        if node.get("_partial_"):
            return
        for name, parameter in arguments.items():
            if parameter.default is parameter.empty and name not in supplied and name not in keys:
                self.mistakes.append(f"{_path(node, name)}: {title} needs this argument")

    def _value(self, node: DictConfig, key: str, hint: Any) -> None:
        path = _path(node, key)
        if OmegaConf.is_missing(node, key):
            self.mistakes.append(f"{path}: is not set; give it as {path}=...")
            return
        try:
            value = node[key]
        except OmegaConfBaseException as error:
            self.mistakes.append(f"{path}: {str(error).strip().splitlines()[0]}")
            return
        if isinstance(value, DictConfig) and "_target_" in value:
            self._node(value, [str(k) for k in value], None, set())
        elif isinstance(value, DictConfig) and hint is Any:
            for inner in value:
                self._value(value, str(inner), Any)
        else:
            plain = OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
            if not fits(plain, hint):
                self.mistakes.append(f"{path}: {plain!r} is not {describe(hint)}")


def resolve_target(name: str, where: str = "_target_") -> Callable[..., Any]:
    """Finds what a ``_target_`` names, and refuses what a config may not call.

    The resolved object is judged, not the string: its own module must belong to an allowed
    package, and it must be a class or a listed function. ``STFW_TARGETS`` adds packages.

    Raises:
        UserError: nothing there, or not allowed.
    """
    module_name, _, attribute = name.rpartition(".")
    yours = tuple(p for p in os.environ.get("STFW_TARGETS", "").replace(",", " ").split() if p)
    refusal = UserError(
        f"{where}: {name} may not be called from a config; if you trust it, allow its package: "
        f"export STFW_TARGETS={name.split('.')[0]}"
    )
    if not _inside(name, (*ALLOWED_PACKAGES, *yours)):
        raise refusal  # not even imported
    try:
        found = getattr(importlib.import_module(module_name), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        if isinstance(error, ImportError) and error.name and not module_name.startswith(error.name):
            raise UserError(f"{where}: {name} cannot be imported: {error}") from error
        raise UserError(f"{where}: nothing to import at '{name}'") from error
    home = str(getattr(found, "__module__", ""))
    if not _inside(home + ".", (*ALLOWED_PACKAGES, *yours)):
        raise refusal
    own_name = f"{home}.{getattr(found, '__qualname__', '')}"
    is_class = inspect.isclass(found)
    if not (is_class or own_name in LISTED_FUNCTIONS or _inside(home + ".", yours)):
        raise refusal
    return found


def needed_weights(cfg: DictConfig) -> str | None:
    """What a recipe starts from and the person has to give: ``weights: needs <what>``.

    Not ``???``, which OmegaConf never lets take the place of a value.
    """
    what = re.fullmatch(r"needs (.+)", str(OmegaConf.select(cfg, "weights", default="")))
    return what[1] if what else None


def class_fact(node: DictConfig, name: str, default: Any) -> Any:
    """An attribute of the class that a node names, known before anything is built."""
    try:
        return getattr(resolve_target(str(node._get_node("_target_"))), name, default)
    except UserError:
        return default  # told when the part itself is checked


def fits(value: Any, hint: Any) -> bool:
    """Whether a plain value (as YAML gives it) suits a type hint; objects are not judged."""
    if hint is Any or isinstance(hint, typing.TypeVar | str):
        return True
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return any(fits(value, arg) for arg in args)
    if origin is Literal:
        return value in args
    if hint is None or hint is type(None):
        return value is None
    if hint is bool:
        return isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if hint is str:
        return isinstance(value, str)
    base = origin or hint
    if inspect.isclass(base) and issubclass(base, Mapping):
        return isinstance(value, dict) and (
            len(args) < 2 or all(fits(item, args[1]) for item in value.values())
        )
    if inspect.isclass(base) and issubclass(base, Sequence | Collection):
        if not isinstance(value, list):
            return False
        if base is tuple and args and args[-1] is not Ellipsis:
            return len(value) == len(args) and all(map(fits, value, args))
        return not args or all(fits(item, args[0]) for item in value)
    return value is not None or hint is object  # other types are built elsewhere


def describe(hint: Any) -> str:
    """A type hint in a person's words."""
    if get_origin(hint) is Literal:
        return "one of " + ", ".join(map(str, get_args(hint)))
    if get_origin(hint) in (Union, types.UnionType):
        return " or ".join(describe(arg) for arg in get_args(hint))
    if hint is type(None):
        return "null"
    return hint.__name__ if inspect.isclass(hint) and not get_args(hint) else str(hint)


def _signature(target: Callable[..., Any]) -> tuple[dict[str, inspect.Parameter], dict[str, Any]]:
    function = target.__init__ if inspect.isclass(target) else target
    parameters = {
        name: parameter
        for name, parameter in inspect.signature(target).parameters.items()
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    }
    try:
        hints = typing.get_type_hints(function)
    except (NameError, TypeError, AttributeError):  # hints under TYPE_CHECKING: names alone count
        hints = {}
    return parameters, hints


def _inside(name: str, packages: Sequence[str]) -> bool:
    return any(name == package or name.startswith(package + ".") for package in packages)


def _path(node: DictConfig, key: str) -> str:
    return str(node._get_full_key(key))
