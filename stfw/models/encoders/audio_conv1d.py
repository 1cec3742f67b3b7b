"""1D convolutions over the time of log-mel pictures; keeps its time steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from stfw.types import UserError


class AudioConv1d(nn.Module):
    """Blocks of 1D convolution, batch norm, ReLU and pooling by 2 over time.

    Mel bins are channels: unlike 2D convolutions, filters know which frequency they look at. Each
    remaining moment is a step (S).

    Args:
        in_channels: C of the sound.
        num_mels: mel bins of the sound, ``streams.audio.source.num_mels``.
        channels: width of each block.
        kernel_size: columns that a convolution spans; odd.
        pool: ``max`` or ``average``.
        lstm_size: width of an LSTM over the steps behind the blocks, which keeps S; None: there is
            none, and the aggregator reads the blocks' steps.

    Raises:
        UserError: an even ``kernel_size``; when called, another number of mel bins.
    """

    def __init__(
        self,
        in_channels: int = 1,
        num_mels: int = 64,
        channels: Sequence[int] = (64, 128, 128),
        kernel_size: int = 5,
        pool: Literal["max", "average"] = "max",
        lstm_size: int | None = None,
    ) -> None:
        super().__init__()
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise UserError(f"audio_encoder.kernel_size={kernel_size} must be odd")
        pooling = nn.MaxPool1d if pool == "max" else nn.AvgPool1d
        self.num_mels = num_mels
        blocks: list[nn.Module] = []
        wide = in_channels * num_mels
        for width in channels:
            blocks += [
                nn.Conv1d(wide, width, kernel_size, padding=kernel_size // 2, bias=False),
                nn.BatchNorm1d(width),
                nn.ReLU(inplace=True),
                pooling(2, ceil_mode=True),
            ]
            wide = width
        self.blocks = nn.Sequential(*blocks)
        self.lstm = nn.LSTM(wide, lstm_size, batch_first=True) if lstm_size else None
        self.num_features = lstm_size or wide

    def forward(self, x_BCML: Tensor) -> Tensor:
        M = x_BCML.shape[2]
        if self.num_mels != M:
            raise UserError(
                f"audio_encoder.num_mels={self.num_mels}, and the sound has {M} mel bins; "
                f"set audio_encoder.num_mels={M}"
            )
        tokens_BSD = self.blocks(x_BCML.flatten(1, 2)).transpose(1, 2)
        if self.lstm is None:
            return tokens_BSD
        # not every CPU has this in bfloat16
        with torch.autocast(x_BCML.device.type, enabled=False):
            return self.lstm(tokens_BSD.to(self.lstm.weight_ih_l0.dtype))[0]
