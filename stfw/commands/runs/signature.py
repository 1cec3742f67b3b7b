"""What a ``_target_`` says of its arguments, read from its source: nothing is imported.

Importing an optimizer costs the seconds that torch takes; its signature and docstring are text.
"""

from __future__ import annotations

import ast
import functools
import importlib.machinery
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MAX_STEPS = 8  # of following a name from package to module


@dataclass(frozen=True)
class Argument:
    """An argument of a class or function.

    Attributes:
        owner: dotted name of that class or function.
        hint: its type as it is written; empty where there is none.
        default: as it is written; None: it has to be given.
        meaning: from the docstring; what the owner does where that says nothing.
    """

    owner: str
    hint: str
    default: str | None
    meaning: str


def arguments(target: str) -> dict[str, Argument]:
    """Arguments of what a dotted name names, in their order; empty where its source is not found.

    A class without a constructor has that of its base.
    """
    found = _find(target)
    if found is None:
        return {}
    path, module, node = found
    tree = _parse(path)
    docs, about = " \n".join(_docs(tree, node)), summary(target)
    if isinstance(node, ast.ClassDef):
        own = _own_arguments(node)
        if own is None:
            for base in node.bases:
                for name in _absolute(tree, module, ast.unparse(base)):
                    if inherited := arguments(name):
                        return inherited
            return {}
    else:
        own = dict(_of_function(node))
    return {
        name: Argument(target, hint, default, _meaning(docs, name) or about)
        for name, (hint, default) in own.items()
    }


def summary(target: str) -> str:
    """The first sentence of a docstring; empty where there is none."""
    found = _find(target)
    if found is None:
        return ""
    path, _, node = found
    text = next(_docs(_parse(path), node), "").strip().split("\n\n")[0]
    return " ".join(text.split())


def _find(target: str, steps: int = 0) -> tuple[Path, str, ast.ClassDef | ast.FunctionDef] | None:
    module, _, name = target.rpartition(".")
    path = _source(module)
    if path is None or steps > MAX_STEPS:
        return None
    tree = _parse(path)
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name:
            return path, module, node
    for other in _absolute(tree, module, name):
        if other != target and (found := _find(other, steps + 1)):
            return found
    return None


@functools.lru_cache(maxsize=64)
def _source(module: str) -> Path | None:
    """A module's file, found without importing the packages around it."""
    search: list[str] | None = list(sys.path)
    spec = None
    for part in module.split("."):
        spec = importlib.machinery.PathFinder.find_spec(part, search)
        if spec is None:
            return None
        search = list(spec.submodule_search_locations or ())
    return Path(spec.origin) if spec and spec.origin and spec.origin.endswith(".py") else None


@functools.lru_cache(maxsize=64)
def _parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _absolute(tree: ast.Module, module: str, name: str) -> Iterator[str]:
    """Dotted names that a name of a module may stand for, by its imports and its own classes."""
    first, _, rest = name.split("[")[0].partition(".")
    path = _source(module)
    is_package = path is not None and path.name == "__init__.py"
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            home = node.module or ""
            if node.level:
                parents = module.split(".")[: None if is_package else -1]
                parents = parents[: len(parents) - (node.level - 1)]
                home = ".".join([*parents, *([node.module] if node.module else [])])
            for alias in node.names:
                if (alias.asname or alias.name) == first:
                    yield ".".join(filter(None, (home, alias.name, rest)))
                elif alias.name == "*":
                    yield ".".join(filter(None, (home, first, rest)))
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if (alias.asname or alias.name.split(".")[0]) == first:
                    yield ".".join(filter(None, (alias.name if alias.asname else first, rest)))
        elif isinstance(node, ast.ClassDef) and node.name == first:
            yield f"{module}.{first}"


def _own_arguments(node: ast.ClassDef) -> dict[str, tuple[str, str | None]] | None:
    for item in node.body:
        if isinstance(item, ast.FunctionDef) and item.name == "__init__":
            return dict(_of_function(item))
    if any("dataclass" in ast.unparse(decorator) for decorator in node.decorator_list):
        return {
            ast.unparse(item.target): (
                ast.unparse(item.annotation),
                ast.unparse(item.value) if item.value else None,
            )
            for item in node.body
            if isinstance(item, ast.AnnAssign)
        }
    return None


def _of_function(node: ast.FunctionDef) -> Iterator[tuple[str, tuple[str, str | None]]]:
    given = node.args
    places = [*given.posonlyargs, *given.args]
    lacking = len(places) - len(given.defaults)
    for place, argument in enumerate(places):
        default = given.defaults[place - lacking] if place >= lacking else None
        if argument.arg != "self":
            yield argument.arg, (_text(argument.annotation), _text(default) or None)
    for argument, value in zip(given.kwonlyargs, given.kw_defaults, strict=True):
        yield argument.arg, (_text(argument.annotation), _text(value) or None)


def _text(node: ast.expr | None) -> str:
    return ast.unparse(node) if node is not None else ""


def _docs(tree: ast.Module, node: ast.ClassDef | ast.FunctionDef) -> Iterator[str]:
    """Docstrings of a class, of its constructor, and what is assigned to its ``__doc__``."""
    if text := ast.get_docstring(node):
        yield text
    if isinstance(node, ast.ClassDef):
        for item in node.body:
            if isinstance(item, ast.FunctionDef) and item.name == "__init__":
                yield from filter(None, [ast.get_docstring(item)])
    for item in tree.body:
        if isinstance(item, ast.Assign) and ast.unparse(item.targets[0]) == f"{node.name}.__doc__":
            strings = [n for n in ast.walk(item.value) if isinstance(n, ast.Constant)]
            strings.sort(key=lambda constant: (constant.lineno, constant.col_offset))
            yield "".join(str(s.value) for s in strings if isinstance(s.value, str))


def _meaning(docs: str, name: str) -> str:
    """An argument's text in a Google style docstring: its line, and the deeper ones below it."""
    first = rf"^(?P<indent>[ ]+){re.escape(name)}[ ]*(?:\([^\n]*?\))?[ ]*:[ ]*"
    deeper = r"\n(?P=indent)[ ]+[^\n]*|\n[ ]*(?=\n(?P=indent)[ ])"
    match = re.search(rf"{first}(?P<text>[^\n]*(?:{deeper})*)", docs, re.MULTILINE)
    return " ".join(match["text"].split()) if match else ""
