"""S3D weights of other people."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from stfw.models.converters.renaming import rename
from stfw.models.origin import KINETICS, Network, of


@of(Network("torchvision's S3D", KINETICS))
def from_torchvision(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """torchvision's s3d; its classifier is a 1x1x1 convolution."""
    ours = rename(
        state,
        [
            (r"(features\..+)", r"encoder.\1"),
            (r"classifier\.1\.(weight|bias)", r"head.fc.\1"),
        ],
        "torchvision",
    )
    if "head.fc.weight" in ours:
        ours["head.fc.weight"] = ours["head.fc.weight"].flatten(1)
    return ours
