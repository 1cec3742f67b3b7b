"""Imports point down: the floors of the house, walked."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]
# the longest prefix decides; neighbours on floor 1 do not import each other
FLOORS = {
    "stfw": 4,
    "stfw.callbacks": 3,
    "stfw.tasks": 3,
    "stfw.data.datamodule": 3,
    "stfw.runs": 3,
    "stfw.data": 2,
    "stfw.video": 1,
    "stfw.sampling": 1,
    "stfw.transforms": 1,
    "stfw.models": 1,
    "stfw.zoo": 1,
    "stfw.types": 0,
    "stfw.redact": 0,
}
ONLY = {
    "hydra": {4},
    "omegaconf": {4},
    "pytorch_lightning": {3, 4},
    "av": set(),  # named one by one below
}


def modules() -> dict[str, Path]:
    found = {}
    for path in sorted((ROOT / "stfw").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(p for p in parts if p != "__init__")] = path
    return found


def floor(name: str) -> int:
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        if (prefix := ".".join(parts[:end])) in FLOORS:
            return FLOORS[prefix]
    raise AssertionError(name)


def imports(path: Path) -> set[str]:
    """Imports at run time, those inside functions too; TYPE_CHECKING blocks are left out."""
    found: set[str] = set()

    def walk(node: ast.AST) -> None:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            return
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
        for child in ast.iter_child_nodes(node):
            walk(child)

    walk(ast.parse(path.read_text()))
    return found


def test_no_floor_imports_a_higher_one() -> None:
    wrong = [
        f"{name} (floor {floor(name)}) imports {target} (floor {floor(target)})"
        for name, path in modules().items()
        for target in imports(path)
        if target.startswith("stfw.") and floor(target) > floor(name)
    ]
    assert not wrong


def test_neighbours_on_floor_one_do_not_import_each_other() -> None:
    wrong = [
        f"{name} imports {target}"
        for name, path in modules().items()
        for target in imports(path)
        if target.startswith("stfw.")
        and floor(name) == floor(target) == 1
        and name.split(".")[1] != target.split(".")[1]
    ]
    assert not wrong


def test_libraries_stay_on_their_floors() -> None:
    wrong = []
    for name, path in modules().items():
        for target in imports(path):
            library = target.split(".")[0]
            if library == "av" and not name.startswith("stfw.video"):
                wrong.append(f"{name} imports av")
            elif library in ONLY and library != "av" and floor(name) not in ONLY[library]:
                wrong.append(f"{name} imports {library}")
    assert not wrong


def test_every_module_says_what_it_is_and_stays_small() -> None:
    for name, path in modules().items():
        text = path.read_text()
        if path.name != "__init__.py":
            assert ast.get_docstring(ast.parse(text)), name
        assert len(text.splitlines()) <= 300, name
