"""The small frame and patch CNN of the articles: two convolutions, two pools, one dense layer."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from stfw.types import UserError


class PatchCnn(nn.Module):
    """Conv 3x3 with 32 maps, max pool 2, conv 3x3 with 64, max pool 2, fully connected 128; ReLU.

    The fully connected layer fixes the picture's size; with 64 x 64 RGB frames there are 2,116,672
    parameters.

    Args:
        in_channels: C of the clip.
        num_frames: T of the clip.
        size: height and width.
        frames: ``channels``: all frames of the clip are one picture of C * T channels, so motion is
            seen by the first layer, S = 1; ``average``: each frame goes through the network and the
            features are averaged, S = 1; ``steps``: likewise, and they are kept, S = T.
        channels: maps of the two convolutions.
        hidden_size: width of the fully connected layer.
        differences: with ``channels``, what changes from frame to frame is added as further
            channels: C * (2 T - 1) in all.

    Raises:
        UserError: a ``size`` below 4; when called, a clip of another size.
    """

    def __init__(
        self,
        in_channels: int = 3,
        num_frames: int = 1,
        size: int = 64,
        frames: Literal["channels", "average", "steps"] = "channels",
        channels: tuple[int, int] = (32, 64),
        hidden_size: int = 128,
        differences: bool = False,
    ) -> None:
        super().__init__()
        if differences and frames != "channels":
            raise UserError(
                f"encoder.differences=true needs encoder.frames=channels, and it is {frames}"
            )
        if size < 4:
            raise UserError(f"encoder.size={size} pixels are too few for two pools; at least 4")
        self.num_frames, self.size, self.frames = num_frames, size, frames
        self.differences = differences
        wide = in_channels
        if frames == "channels":
            wide *= 2 * num_frames - 1 if differences else num_frames
        self.blocks = nn.Sequential(
            nn.Conv2d(wide, channels[0], 3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            nn.Conv2d(channels[0], channels[1], 3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
        )
        self.fc = nn.Linear(channels[1] * (size // 4) ** 2, hidden_size)
        self.map_features, self.num_features = channels[1], hidden_size
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]

    def maps(self, x_BCTHW: Tensor) -> Tensor:
        """The second pool's maps; T is 1 where frames are channels."""
        T, H, W = x_BCTHW.shape[2:]
        if {H, W} != {self.size} or (self.frames == "channels" and self.num_frames != T):
            raise UserError(
                f"encoder=patch_cnn is made for {self.num_frames} frames of {self.size}x{self.size}"
                f", and a clip has {T} of {H}x{W}; set encoder.num_frames and encoder.size"
            )
        if self.frames == "channels":
            x_BDHW = x_BCTHW.flatten(1, 2)
            if self.differences:
                x_BDHW = torch.cat([x_BDHW, x_BCTHW.diff(dim=2).flatten(1, 2)], dim=1)
            return self.blocks(x_BDHW).unsqueeze(2)
        maps_FCHW = self.blocks(x_BCTHW.transpose(1, 2).flatten(0, 1))
        return maps_FCHW.unflatten(0, (len(x_BCTHW), -1)).transpose(1, 2)

    def forward(self, x_BCTHW: Tensor) -> Tensor:
        tokens_BSD = self.fc(self.maps(x_BCTHW).transpose(1, 2).flatten(2)).relu()
        return tokens_BSD.mean(dim=1, keepdim=True) if self.frames == "average" else tokens_BSD
