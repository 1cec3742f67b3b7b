"""No aggregation: the encoder gives one step per view already."""

from __future__ import annotations

from torch import Tensor, nn

from stfw.models.aggregators.steps import exactly


class NoAggregator(nn.Module):
    """Hands the one step on.

    Args:
        in_features: D of the encoder.

    Raises:
        UserError: when called, a video has several steps.
    """

    def __init__(self, in_features: int) -> None:
        super().__init__()
        self.num_features = in_features

    def forward(self, tokens_BSD: Tensor, weights_BS: Tensor) -> Tensor:
        if tokens_BSD.shape[1] == 1:
            return tokens_BSD[:, 0]
        hint = (
            "aggregator=none takes 1 step, and a video has {} (clips of a view times steps of a "
            "clip); choose an aggregator, for example aggregator=mean"
        )
        return exactly(1, tokens_BSD, weights_BS, hint)[:, 0]
