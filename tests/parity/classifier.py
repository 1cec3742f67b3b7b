"""Our side of a comparison: encoder, mean over the steps, linear head."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from stfw.models.heads.linear import Linear
from tests.parity.reference import randomise

Convert = Callable[[Mapping[str, Tensor]], dict[str, Tensor]]


class Classifier(nn.Module):
    """``encoder`` with a ``Linear`` head of ``num_classes``."""

    def __init__(self, encoder: nn.Module, num_classes: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = Linear(int(encoder.num_features), num_classes)  # type: ignore[arg-type]

    def forward(self, x_BCTHW: Tensor) -> Tensor:
        return self.head(self.encoder(x_BCTHW).mean(dim=1))


def round_trip(
    network: nn.Module, convert: Convert, foreign: Callable[[str, Tensor], tuple[str, Tensor]]
) -> dict[str, Tensor]:
    """Renames our random weights by ``foreign``, converts them back, loads them strictly.

    Args:
        network: ours; filled with random weights.
        convert: the converter under test.
        foreign: our name and tensor -> theirs, written independently of the converter.

    Returns:
        the foreign state dict.
    """
    state = randomise(network).state_dict()
    theirs = dict(foreign(name, tensor) for name, tensor in state.items())
    assert len(theirs) == len(state)
    back = convert(theirs)
    assert set(back) == set(state)
    assert all(torch.equal(back[name], state[name]) for name in state)
    network.load_state_dict(back)
    return theirs
