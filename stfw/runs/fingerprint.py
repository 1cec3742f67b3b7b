"""Short digests that tell whether two runs had the same configuration or the same data."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stfw.types import Record, Split

# where a run lies and whether it goes on says nothing of what it computes
PLACE_KEYS = ("output_dir", "runs_dir", "resume", "name")

# keys that came later: at these values a run computes what one without them did
LATER_KEYS = {"channels_last": False}

# and of parts: what a node has, and the settings that came later to such a one
LATER_SETTINGS: tuple[tuple[Mapping[str, Any], Mapping[str, Any]], ...] = (
    ({"_target_": "stfw.models.aggregators.lstm.Lstm"}, {"with_mean": False}),
    ({"_target_": "stfw.models.aggregators.gru.Gru"}, {"with_mean": False}),
    ({"_target_": "stfw.models.encoders.c3d.C3D"}, {"last_pool": "padded"}),
    # within a hierarchical fusion
    ({"_target_": "stfw.models.fusions.gated.Gated", "_partial_": True}, {"per_feature": False}),
)

# parts of the package that start runs and tell of them
TELL_ONLY = (
    "commands",
    "loggers",
    "reports",
    "runs",
    "zoo",
    "cli.py",
    "config.py",
    "logs.py",
    "check.py",
    "redact.py",
)

# callbacks beside which a run computes the same
ONLY_WATCH = tuple(
    f"stfw.callbacks.{name}"
    for name in (
        *("checkpoint.Last", "metrics_csv", "predictions_csv"),
        *("progress", "prune", "throughput", "timings"),
    )
)
BEST = "stfw.callbacks.checkpoint.Best"
USUAL_BEST = {"monitor": "val/top1", "mode": "max"}  # of conf/callbacks/_default.yaml


def of_config(plain: Mapping[str, Any]) -> str:
    """Digest of a resolved config, without what only says where things lie, or only watches."""
    kept = {
        key: value
        for key, value in without_later(plain).items()
        if key not in (*PLACE_KEYS, "callbacks", "logger")
    }
    if acting := _acting(plain.get("callbacks") or {}):
        folder = str(plain.get("output_dir"))  # known once the run has begun
        kept["callbacks"] = json.dumps(acting, sort_keys=True, default=str).replace(folder, "")
    return _digest(json.dumps(kept, sort_keys=True, default=str))


def without_later(plain: Mapping[str, Any]) -> dict[str, Any]:
    """A resolved config as an older version had it: less what came later and changes nothing."""
    return {
        key: _without_later_settings(value)
        for key, value in plain.items()
        if key not in LATER_KEYS or LATER_KEYS[key] != value
    }


def _without_later_settings(node: Any) -> Any:
    if isinstance(node, list):
        return [_without_later_settings(part) for part in node]
    if not isinstance(node, Mapping):
        return node
    later: dict[str, Any] = {}
    for marks, settings in LATER_SETTINGS:
        if all(node.get(key) == value for key, value in marks.items()):
            later |= settings
    return {
        key: _without_later_settings(value)
        for key, value in node.items()
        if key not in later or later[key] != value
    }


def _acting(callbacks: Mapping[str, Any]) -> dict[str, Any]:
    """Callbacks that change what is learnt, or which epoch is tested."""
    found = {}
    for name, node in callbacks.items():
        target = str((node or {}).get("_target_", ""))
        if target == BEST:
            node = {key: node.get(key) for key in USUAL_BEST}
        if node and node != USUAL_BEST and not target.startswith(ONLY_WATCH):
            found[name] = node
    return found


@functools.cache
def of_code() -> str:
    """Digest of the modules that decide what a run computes; commands and reports do not."""
    package = Path(__file__).parents[1]
    lines = []
    for path in sorted(package.rglob("*.py")):
        name = path.relative_to(package).as_posix()
        if name.split("/", 1)[0] not in TELL_ONLY:
            lines.append(f"{name}\t{hashlib.sha256(path.read_bytes()).hexdigest()}")
    return _digest("\n".join(lines))


def of_data(splits: Mapping[Split, Sequence[Record]]) -> str:
    """Digest of every split's ids, labels, labelled seconds and file sizes."""
    lines = []
    for split, records in sorted(splits.items()):
        for record in records:
            path = Path(record.path)
            size = path.stat().st_size if path.is_file() else -1
            part = (record.start_sec, record.end_sec)
            lines.append(f"{split}\t{record.video_id}\t{record.label}\t{part}\t{size}")
    return _digest("\n".join(lines))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
