"""``stfw config``: prints the composed run. torch is not imported, unless it is to be checked."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from omegaconf import OmegaConf

from stfw.commands.launchers import is_for_launch, read_launch
from stfw.config import compose


def main(words: Sequence[str]) -> None:
    overrides = [word for word in words if word not in ("check=true", "check=false")]
    launch = [word for word in overrides if is_for_launch(word)]
    composed = compose("train", [word for word in overrides if word not in launch])
    print(OmegaConf.to_yaml(composed.cfg), end="")
    if launch:
        print(f"# how it is started\n{OmegaConf.to_yaml(read_launch(launch)[0])}", end="")
    if "check=true" in words:
        from stfw.assemble import check

        check(composed.cfg)
        print("every key fits the code", file=sys.stderr)
