"""1D convolutions over the steps."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from stfw.models.aggregators.steps import together, weighted
from stfw.types import UserError


class TemporalConv(nn.Module):
    """Layers of 1D convolution and ReLU along the steps, then their weighted mean.

    Every layer keeps S: it sees zeros beyond the first and the last step, and padding looks just
    the same.

    Args:
        in_features: D of the encoder.
        channels: width of each layer.
        kernel_size: steps that a layer spans; odd.
        dilation: factor by which each layer's steps lie further apart than the one's before; 2 lets
            few layers see far.

    Raises:
        UserError: an even ``kernel_size``, or no layer.
    """

    def __init__(
        self,
        in_features: int,
        channels: Sequence[int] = (256, 256),
        kernel_size: int = 3,
        dilation: int = 1,
    ) -> None:
        super().__init__()
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise UserError(f"aggregator.kernel_size={kernel_size} must be odd")
        if not channels:
            raise UserError("aggregator.channels is empty; give the width of at least one layer")
        widths = [in_features, *channels]
        self.layers = nn.ModuleList(
            nn.Conv1d(
                wide_in,
                wide_out,
                kernel_size,
                padding=kernel_size // 2 * dilation**number,
                dilation=dilation**number,
            )
            for number, (wide_in, wide_out) in enumerate(pairwise(widths))
        )
        self.num_features = widths[-1]

    def forward(self, tokens_BSD: Tensor, weights_BS: Tensor) -> Tensor:
        tokens_BSD, weights_BS = together(tokens_BSD, weights_BS)
        padding_B1S = (weights_BS <= 0).unsqueeze(1)
        x_BDS = tokens_BSD.transpose(1, 2)
        for layer in self.layers:
            x_BDS = layer(x_BDS).relu().masked_fill(padding_B1S, 0.0)
        total_B1 = weights_BS.sum(dim=1, keepdim=True).clamp_min(1e-12)
        return weighted(x_BDS.transpose(1, 2), weights_BS / total_B1)
