"""3D ResNets of Hara et al. 2018 ("Can Spatiotemporal 3D CNNs Retrace the History of 2D CNNs?")."""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torchvision.models.video import resnet as tv

from stfw.models.encoders.video_resnet import OwnMiddle, build, unit


class ResNet3dHara(nn.Module):
    """ResNet of 3x3x3 convolutions that begins with 7x7x7 and a max pool; global average.

    Every later stage halves time, too. With a linear head of 400 classes: depth 18 33,409,104
    parameters, 34 63,718,736, 50 47,018,576; 8.3, 12.7 and 10.1 GMACs for 16 x 112 x 112.

    Args:
        in_channels: C of the clip.
        depth: 10, 18, 34, 50, 101, 152 or 200; bottlenecks from 50 on.
        factored: every convolution that spans time is a (2+1)D one, as wide in the middle as its 3D
            parameters allow.
        time_kernel: frames that the first convolution spans; odd.
        time_stride: frames from one of its positions to the next; the authors take 2 from clips of
            32 frames on.
        shortcut: B projects where the width changes; A subsamples and appends zeros, as the paper
            does at depths 18 and 34.
    """

    def __init__(
        self,
        in_channels: int = 3,
        depth: int = 50,
        factored: bool = False,
        time_kernel: int = 7,
        time_stride: int = 1,
        shortcut: Literal["A", "B"] = "B",
    ) -> None:
        super().__init__()
        if time_kernel % 2 == 0:
            raise ValueError(f"encoder.time_kernel={time_kernel}: must be odd")
        stem = self._stem(in_channels, factored, time_kernel, time_stride)
        self.net = build(depth, [OwnMiddle if factored else tv.Conv3DSimple] * 4, stem)
        self.num_features = 2048 if depth >= 50 else 512
        if shortcut == "A":
            for stage in (self.net.layer1, self.net.layer2, self.net.layer3, self.net.layer4):
                if stage[0].downsample is not None:
                    conv = stage[0].downsample[0]
                    stage[0].downsample = ZeroPad(conv.out_channels, conv.stride[0])

    @staticmethod
    def _stem(in_channels: int, factored: bool, time: int, time_stride: int) -> nn.Module:
        pool = nn.MaxPool3d(3, stride=2, padding=1)
        if not factored:
            return nn.Sequential(*unit(in_channels, 64, (time, 7, 7), (time_stride, 2, 2)), pool)
        width = in_channels * 64 * time * 49 // (in_channels * 49 + time * 64)
        spatial = unit(in_channels, width, (1, 7, 7), (1, 2, 2))
        return nn.Sequential(*spatial, *unit(width, 64, (time, 1, 1), (time_stride, 1, 1)), pool)

    def maps(self, x_BCTHW: Tensor) -> Tensor:
        """B x D x T/16 x H/32 x W/32, rounded up."""
        net = self.net
        return net.layer4(net.layer3(net.layer2(net.layer1(net.stem(x_BCTHW)))))

    def forward(self, x_BCTHW: Tensor) -> Tensor:
        return self.maps(x_BCTHW).mean(dim=(2, 3, 4)).unsqueeze(1)


class ZeroPad(nn.Module):
    """Every ``stride``-th position, channels filled up with zeros (He et al. 2016, option A)."""

    def __init__(self, width: int, stride: int) -> None:
        super().__init__()
        self.width, self.stride = width, stride

    def forward(self, x_BCTHW: Tensor) -> Tensor:
        s = self.stride
        x_BCTHW = x_BCTHW[:, :, ::s, ::s, ::s]
        missing = self.width - x_BCTHW.shape[1]
        return F.pad(x_BCTHW, (0, 0, 0, 0, 0, 0, 0, missing))
