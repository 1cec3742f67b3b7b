"""GRU over the steps (Cho et al. 2014)."""

from __future__ import annotations

from torch import Tensor, nn

from stfw.models.aggregators.recurrent import Output, beside_mean, read_steps


class Gru(nn.Module):
    """Reads the steps in order of time and gives one feature.

    Steps of weight 0 are skipped wherever they stand: the others are moved together, so padding
    changes nothing.

    Args:
        in_features: D of the encoder.
        hidden_size: width of the state, per direction.
        num_layers: stacked layers.
        bidirectional: also read backwards; doubles ``num_features``.
        output: ``mean`` of the states over the steps, or the ``last`` state (backwards: that at
            the first step).
        dropout: between layers, where there are several.
        with_mean: the weighted mean of the steps stands behind the state, so that what the encoder
            saw reaches the head past the network too; adds ``in_features`` to ``num_features``.
    """

    def __init__(
        self,
        in_features: int,
        hidden_size: int = 256,
        num_layers: int = 1,
        bidirectional: bool = False,
        output: Output = "mean",
        dropout: float = 0.0,
        with_mean: bool = False,
    ) -> None:
        super().__init__()
        self.gru = nn.GRU(
            in_features,
            hidden_size,
            num_layers,
            batch_first=True,
            bidirectional=bidirectional,
            dropout=dropout if num_layers > 1 else 0.0,
        )
        self.output, self.with_mean = output, with_mean
        self.num_features = hidden_size * (2 if bidirectional else 1)
        self.num_features += in_features if with_mean else 0

    def forward(self, tokens_BSD: Tensor, weights_BS: Tensor) -> Tensor:
        state_BD = read_steps(self.gru, tokens_BSD, weights_BS, self.output)
        return beside_mean(state_BD, tokens_BSD, weights_BS) if self.with_mean else state_BD
