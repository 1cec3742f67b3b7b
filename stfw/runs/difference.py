"""What differs between runs: config, environment, data, scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from stfw.runs.config_text import MISSING, flat, flatten
from stfw.runs.entry import Entry
from stfw.runs.fingerprint import PLACE_KEYS

HERE = "<run>"  # a run's own folder within its config, so that two of them are equal


def differences(runs: Sequence[Entry]) -> dict[str, dict[str, list[Any]]]:
    """Section -> key -> the value in each run, of keys that are not equal in all.

    Sections: ``choices``, ``config``, ``environment`` (versions, machine, git, code), ``data``
    (fingerprint and counts) and ``metrics``. What a run lacks is ``MISSING``.
    """
    parts: dict[str, Callable[[Entry], dict[str, Any]]] = {
        "choices": lambda run: dict(run.choices),
        "config": _config,
        "environment": _environment,
        "data": _data,
        "metrics": lambda run: dict(run.metrics),
    }
    found = {name: _unequal([part(run) for run in runs]) for name, part in parts.items()}
    if "classes" in found["data"]:  # counts of classes that the others lack say nothing more
        found["data"] = {k: row for k, row in found["data"].items() if ".per_class." not in k}
    return found


def _unequal(values: Sequence[dict[str, Any]]) -> dict[str, list[Any]]:
    found = {}
    for key in dict.fromkeys(key for one in values for key in one):
        row = [one.get(key, MISSING) for one in values]
        if any(value != row[0] for value in row[1:]):
            found[key] = row
    return found


def _config(run: Entry) -> dict[str, Any]:
    if not run.config:
        return {}
    values = flat(run.config)
    own = str(values.get("output_dir"))
    return {
        key: value.replace(own, HERE) if isinstance(value, str) else value
        for key, value in values.items()
        if key not in PLACE_KEYS
    }


def _environment(run: Entry) -> dict[str, Any]:
    record = run.record
    parts = {key: record.get(key) or {} for key in ("versions", "machine", "git")}
    return {**flatten(parts), "code_fingerprint": record.get("code_fingerprint", MISSING)}


def _data(run: Entry) -> dict[str, Any]:
    data = run.record.get("data")
    if not isinstance(data, dict):
        return {}
    classes = [str(name) for name in run.record.get("classes") or ()]
    few = f"{len(classes)}: {', '.join(classes[:4])}{', ...' if len(classes) > 4 else ''}"
    skipped = {f"skipped.{split}": num for split, num in (run.record.get("skipped") or {}).items()}
    return {"classes": few, **flatten(data), **skipped}
