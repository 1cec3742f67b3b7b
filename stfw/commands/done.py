"""Whether a finished run still is what would be run now."""

from __future__ import annotations

import functools
import json

from omegaconf import OmegaConf

from stfw.runs import fingerprint
from stfw.runs.registry import Finished
from stfw.types import Split, UserError

SPLITS: tuple[Split, ...] = ("train", "val", "test")


def changed(run: Finished, key: str, data: str | None) -> tuple[str, ...]:
    """What has changed since the run was made, of ``code``, ``configs`` and ``data``.

    Args:
        run: a finished run.
        key: fingerprint of the configuration that is wanted.
        data: its node ``data``, as JSON; None: the data are not looked at.
    """
    same = {
        "code": run.record.get("code_fingerprint") == fingerprint.of_code(),
        "configs": run.record.get("config_fingerprint") == key,
    }
    before = (run.record.get("data") or {}).get("fingerprint")
    if data is not None and before is not None:
        same["data"] = data_now(data) in (before, None)
    return tuple(name for name, is_same in same.items() if not is_same)


@functools.cache
def data_now(node: str) -> str | None:
    """Fingerprint of a data set as it lies there now; None: it is not at hand.

    Args:
        node: the config of ``data``, as JSON.
    """
    from stfw.assemble import LOADER_KEYS
    from stfw.build import Build

    try:
        reader = Build()(OmegaConf.create(json.loads(node)), skip=LOADER_KEYS)
        return fingerprint.of_data({split: reader.records(split) for split in SPLITS})
    except (UserError, OSError):
        return None
