"""torchvision's video ResNets: R3D, MC3 and R(2+1)D (Tran et al. 2018, "A Closer Look")."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn
from torchvision.models.video import resnet as tv

from stfw.types import UserError

# blocks per stage
LAYERS = {
    10: (1, 1, 1, 1),
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
    200: (3, 24, 36, 3),
}


class VideoResNet(nn.Module):
    """ResNet of 3D, mixed or factored convolutions; global average.

    As torchvision's at depth 18, with a linear head of 400 classes: R3D 33,371,472 parameters, MC3
    11,695,440, R(2+1)D 31,505,325. From depth 50 on the blocks are bottlenecks.

    R(2+1)D exists in three layouts that take different weights:

    - ``torchvision`` (and GluonCV's v1): both convolutions of a block share one middle width.
    - ``vmz``, the authors' (and GluonCV's v2): every convolution has the middle width that keeps
      its own number of parameters.
    - ``mmaction``: as ``vmz``; also the shortcuts are factored, the stem is 83 wide in the middle
      and a max pool follows it.

    Args:
        in_channels: C of the clip.
        variant: kind of convolution: r3d, mc3 (3D in the first stage alone) or r2plus1d.
        depth: 10, 18, 34, 50, 101, 152 or 200.
        layout: of r2plus1d.
        keep_time: average over space alone; every remaining moment is a step.
    """

    def __init__(
        self,
        in_channels: int = 3,
        variant: Literal["r3d", "mc3", "r2plus1d"] = "r3d",
        depth: int = 18,
        layout: Literal["torchvision", "vmz", "mmaction"] = "torchvision",
        keep_time: bool = False,
    ) -> None:
        super().__init__()
        if layout != "torchvision" and variant != "r2plus1d":
            raise UserError(
                f"encoder.layout={layout}: only encoder.variant=r2plus1d has layouts, not {variant}"
            )
        factored = variant == "r2plus1d"
        maker = {"torchvision": tv.Conv2Plus1D, "vmz": OwnMiddle, "mmaction": OwnMiddle}[layout]
        makers: list[type[nn.Module]] = {
            "r3d": [tv.Conv3DSimple] * 4,
            "mc3": [tv.Conv3DSimple] + [tv.Conv3DNoTemporal] * 3,
            "r2plus1d": [maker] * 4,
        }[variant]
        steps = (
            factored_stem(in_channels, 83 if layout == "mmaction" else 45)
            if factored
            else unit(in_channels, 64, (3, 7, 7), (1, 2, 2))
        )
        if layout == "mmaction":
            steps.append(nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)))
        self.net = build(depth, makers, nn.Sequential(*steps))
        self.num_features = 2048 if depth >= 50 else 512
        self.keep_time = keep_time
        if layout == "mmaction":
            factor_shortcuts(self.net)
        if layout != "torchvision":
            for module in self.modules():
                if isinstance(module, nn.BatchNorm3d):
                    module.eps = 1e-3

    def maps(self, x_BCTHW: Tensor) -> Tensor:
        """B x D x T/8 x H/16 x W/16, rounded up (mc3: all T; a stem with a pool: H/32)."""
        net = self.net
        return net.layer4(net.layer3(net.layer2(net.layer1(net.stem(x_BCTHW)))))

    def forward(self, x_BCTHW: Tensor) -> Tensor:
        maps_BDTHW = self.maps(x_BCTHW)
        if self.keep_time:
            return maps_BDTHW.mean(dim=(3, 4)).transpose(1, 2)
        return maps_BDTHW.mean(dim=(2, 3, 4)).unsqueeze(1)


class OwnMiddle(tv.Conv2Plus1D):
    """(2+1)D convolution as wide in the middle as its own 3x3x3 parameters allow."""

    def __init__(
        self, in_planes: int, out_planes: int, midplanes: int = 0, stride: int = 1, padding: int = 1
    ) -> None:
        super().__init__(in_planes, out_planes, middle(in_planes, out_planes), stride, padding)


def middle(wide_in: int, wide_out: int, area: int = 9) -> int:
    """Width between a spatial kernel of ``area`` pixels and a temporal one of 3 frames (3.5)."""
    return 3 * area * wide_in * wide_out // (area * wide_in + 3 * wide_out)


def unit(
    wide_in: int, wide_out: int, kernel: tuple[int, int, int], stride: tuple[int, int, int]
) -> list[nn.Module]:
    """Convolution padded by half its kernel, batch norm, ReLU."""
    padding = (kernel[0] // 2, kernel[1] // 2, kernel[2] // 2)
    conv = nn.Conv3d(wide_in, wide_out, kernel, stride, padding, bias=False)
    return [conv, nn.BatchNorm3d(wide_out), nn.ReLU(inplace=True)]


def factored_stem(in_channels: int, width: int) -> list[nn.Module]:
    """1x7x7 to ``width`` channels, then 3x1x1 to 64."""
    spatial = unit(in_channels, width, (1, 7, 7), (1, 2, 2))
    return [*spatial, *unit(width, 64, (3, 1, 1), (1, 1, 1))]


def build(depth: int, makers: list[type[nn.Module]], stem: nn.Module) -> tv.VideoResNet:
    """torchvision's network without its classifier.

    Raises:
        UserError: there is no such depth.
    """
    if depth not in LAYERS:
        raise UserError(f"encoder.depth={depth}: there are {', '.join(map(str, LAYERS))}")
    block = tv.Bottleneck if depth >= 50 else tv.BasicBlock
    net = tv.VideoResNet(block, makers, list(LAYERS[depth]), lambda: stem, num_classes=1)
    del net.fc, net.avgpool
    return net


def factor_shortcuts(net: tv.VideoResNet) -> None:
    """Makes (2+1)D convolutions of the projections, too."""
    for stage in (net.layer1, net.layer2, net.layer3, net.layer4):
        shortcut = stage[0].downsample
        if shortcut is None:
            continue
        wide_in, wide_out = shortcut[0].in_channels, shortcut[0].out_channels
        time, height, width = shortcut[0].stride
        spatial = unit(wide_in, middle(wide_in, wide_out, 1), (1, 1, 1), (1, height, width))
        temporal = nn.Conv3d(
            middle(wide_in, wide_out, 1), wide_out, 1, stride=(time, 1, 1), bias=False
        )
        shortcut[0] = nn.Sequential(*spatial, temporal)
        for module in shortcut[0]:
            if isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
