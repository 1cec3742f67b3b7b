"""A small convolutional network over log-mel pictures; keeps its time steps."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn


class LogMelCNN(nn.Module):
    """Blocks of 2D convolution, batch norm, ReLU and max pooling over mels and time.

    Every block halves both; the remaining maps are averaged over mels, and each remaining moment is
    a step (S).

    Args:
        in_channels: C of the sound.
        channels: width of each block.
    """

    def __init__(self, in_channels: int = 1, channels: Sequence[int] = (16, 32, 64)) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        wide = in_channels
        for width in channels:
            blocks += [
                nn.Conv2d(wide, width, 3, padding=1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(inplace=True),
                nn.MaxPool2d(2, ceil_mode=True),
            ]
            wide = width
        self.blocks = nn.Sequential(*blocks)
        self.num_features = wide

    def maps(self, x_BCML: Tensor) -> Tensor:
        """The last block's maps."""
        return self.blocks(x_BCML)

    def forward(self, x_BCML: Tensor) -> Tensor:
        return self.maps(x_BCML).mean(dim=2).transpose(1, 2)
