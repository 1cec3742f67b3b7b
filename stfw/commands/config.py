"""``stfw config``: prints the composed run. torch is not imported, unless it is to be checked."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from omegaconf import OmegaConf

from stfw.config import compose


def main(words: Sequence[str]) -> None:
    overrides = [word for word in words if word not in ("check=true", "check=false")]
    composed = compose("train", overrides)
    print(OmegaConf.to_yaml(composed.cfg), end="")
    if "check=true" in words:
        from stfw.assemble import check

        check(composed.cfg)
        print("every key fits the code", file=sys.stderr)
