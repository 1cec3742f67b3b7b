"""Features of a fixed number of steps side by side."""

from __future__ import annotations

from torch import Tensor, nn

from stfw.models.aggregators.steps import exactly
from stfw.types import UserError


class Concat(nn.Module):
    """``[x_1; x_2; ...; x_S]``, in order of time. Nothing is lost, and S is fixed.

    Weights other than 0 make no difference: what a step's place is worth is for the head to learn.

    Args:
        in_features: D of the encoder.
        num_steps: S, clips of a view times steps of a clip.

    Raises:
        UserError: ``num_steps`` is not positive; when called, a video has another number of steps.
    """

    def __init__(self, in_features: int, num_steps: int) -> None:
        super().__init__()
        if num_steps < 1:
            raise UserError(f"aggregator.num_steps={num_steps} must be at least 1")
        self.num_steps = num_steps
        self.num_features = in_features * num_steps

    def forward(self, tokens_BSD: Tensor, weights_BS: Tensor) -> Tensor:
        hint = (
            f"aggregator=concat joins aggregator.num_steps={self.num_steps} steps, and a video has "
            "{}; set num_steps to that, or choose an aggregator that takes any number"
        )
        return exactly(self.num_steps, tokens_BSD, weights_BS, hint).flatten(1)
