"""I3D: Inception-v1 inflated to 3D (Carreira & Zisserman 2017, "Quo Vadis ...")."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from stfw.models.encoders._pool import checked_window, pooled_steps

# width of each branch: 1x1; 1x1 -> 3x3; 1x1 -> 3x3; pool -> 1x1
WIDTHS = {
    "3b": (64, 96, 128, 16, 32, 32),
    "3c": (128, 128, 192, 32, 96, 64),
    "4b": (192, 96, 208, 16, 48, 64),
    "4c": (160, 112, 224, 24, 64, 64),
    "4d": (128, 128, 256, 24, 64, 64),
    "4e": (112, 144, 288, 32, 64, 64),
    "4f": (256, 160, 320, 32, 128, 128),
    "5b": (256, 160, 320, 32, 128, 128),
    "5c": (384, 192, 384, 48, 128, 128),
}


class I3D(nn.Module):
    """Inflated Inception-v1 with TensorFlow's "same" padding, as in the authors' network.

    12,697,264 parameters with a linear head of 400 classes (flow: 12,675,312), 111.2 GMACs for 64
    frames of 224 x 224. The maps are averaged over ``final_pool`` at stride 1, and every position
    in time is a step: with a linear head, the mean over the steps is the published mean of logits.

    Args:
        in_channels: C of the clip; 2 for flow.
        final_pool: window (T, H, W) of the last average, at most the whole map; null: the whole
            map, one step.
    """

    num_features = 1024

    def __init__(self, in_channels: int = 3, final_pool: Sequence[int] | None = (2, 7, 7)) -> None:
        super().__init__()
        self.final_pool = checked_window(final_pool)
        layers: dict[str, nn.Module] = {
            "conv1a": Unit(in_channels, 64, 7, stride=2),
            "pool2a": SamePool((1, 3, 3), (1, 2, 2)),
            "conv2b": Unit(64, 64, 1),
            "conv2c": Unit(64, 192, 3),
            "pool3a": SamePool((1, 3, 3), (1, 2, 2)),
        }
        pools = {"3c": SamePool((3, 3, 3), (2, 2, 2)), "4f": SamePool((2, 2, 2), (2, 2, 2))}
        width = 192
        for name, widths in WIDTHS.items():
            layers[f"mixed{name}"] = Mixed(width, widths)
            width = widths[0] + widths[2] + widths[4] + widths[5]
            if name in pools:
                layers[f"pool{name}"] = pools[name]
        self.layers = nn.Sequential()
        for name, layer in layers.items():
            self.layers.add_module(name, layer)
        for module in self.modules():
            if isinstance(module, nn.Conv3d):  # the default of the authors' library
                std = module.weight[0].numel() ** -0.5
                nn.init.trunc_normal_(module.weight, std=std, a=-2 * std, b=2 * std)

    def maps(self, x_BCTHW: Tensor) -> Tensor:
        """Mixed 5c: B x 1024 x T/8 x H/32 x W/32, rounded up."""
        return self.layers(x_BCTHW)

    def forward(self, x_BCTHW: Tensor) -> Tensor:
        return pooled_steps(self.maps(x_BCTHW), self.final_pool)


class Unit(nn.Module):
    """Convolution with "same" padding, batch norm, ReLU."""

    def __init__(self, wide_in: int, wide_out: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv3d(wide_in, wide_out, kernel, stride, bias=False)
        self.bn = nn.BatchNorm3d(wide_out, eps=1e-3, momentum=0.01)

    def forward(self, x_BCTHW: Tensor) -> Tensor:
        x_BCTHW = same_padding(x_BCTHW, self.conv.kernel_size, self.conv.stride)
        return F.relu(self.bn(self.conv(x_BCTHW)), inplace=True)


class SamePool(nn.Module):
    """Max pool with "same" padding; zeros are as good as nothing after a ReLU."""

    def __init__(self, kernel: tuple[int, int, int], stride: tuple[int, int, int]) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride

    def forward(self, x_BCTHW: Tensor) -> Tensor:
        x_BCTHW = same_padding(x_BCTHW, self.kernel, self.stride)
        return F.max_pool3d(x_BCTHW, self.kernel, self.stride)


class Mixed(nn.Module):
    """Four branches side by side."""

    def __init__(self, wide_in: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        w0, w1a, w1b, w2a, w2b, w3 = widths
        self.branch0 = Unit(wide_in, w0, 1)
        self.branch1 = nn.Sequential(Unit(wide_in, w1a, 1), Unit(w1a, w1b, 3))
        self.branch2 = nn.Sequential(Unit(wide_in, w2a, 1), Unit(w2a, w2b, 3))
        self.branch3 = nn.Sequential(SamePool((3, 3, 3), (1, 1, 1)), Unit(wide_in, w3, 1))

    def forward(self, x_BCTHW: Tensor) -> Tensor:
        branches = (self.branch0, self.branch1, self.branch2, self.branch3)
        return torch.cat([branch(x_BCTHW) for branch in branches], dim=1)


def same_padding(x_BCTHW: Tensor, kernel: Sequence[int], stride: Sequence[int]) -> Tensor:
    """Zeros around the clip so that the output has ``ceil(size / stride)`` positions.

    Where their number is odd, the greater half comes after, as in TensorFlow.
    """
    pads: list[int] = []
    for size, k, s in zip(x_BCTHW.shape[2:], kernel, stride, strict=True):
        total = max((-(-size // s) - 1) * s + k - size, 0)
        pads = [total // 2, total - total // 2, *pads]
    return F.pad(x_BCTHW, pads) if any(pads) else x_BCTHW
