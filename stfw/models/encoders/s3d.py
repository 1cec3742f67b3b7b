"""S3D and S3D-G: separable Inception (Xie et al. 2018, "Rethinking Spatiotemporal ...")."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torchvision.models import video as tv
from torchvision.models.video.s3d import TemporalSeparableConv

from stfw.models.encoders._pool import checked_window, pooled_steps


class S3D(nn.Module):
    """torchvision's S3D: I3D with every k x k x k convolution split into space and time.

    8,320,048 parameters with a linear head of 400 classes, 71.9 GMACs for 64 frames of 224 x 224.
    The maps are averaged over ``final_pool`` at stride 1, and every position in time is a step:
    with a linear head, the mean over the steps is torchvision's mean of logits.

    Args:
        in_channels: C of the clip.
        gating: S3D-G: a gate on the channels after each convolution in time.
        final_pool: window (T, H, W) of the last average, at most the whole map; null: the whole
            map, one step.
    """

    num_features = 1024

    def __init__(
        self,
        in_channels: int = 3,
        gating: bool = False,
        final_pool: Sequence[int] | None = (2, 7, 7),
    ) -> None:
        super().__init__()
        self.final_pool = checked_window(final_pool)
        self.features = tv.S3D(num_classes=1).features
        if in_channels != 3:
            stem = self.features[0][0]
            stem[0] = nn.Conv3d(in_channels, 64, (1, 7, 7), (1, 2, 2), (0, 3, 3), bias=False)
        for module in self.features.modules():
            if isinstance(module, nn.Conv3d):
                # batch norm makes the scale a matter of taste; this one (He et al. 2015) lets an
                # untrained network see its input in evaluation, too
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if gating:
            for module in list(self.modules()):
                if isinstance(module, TemporalSeparableConv):
                    module.append(SelfGating(module[1][0].out_channels))

    def maps(self, x_BCTHW: Tensor) -> Tensor:
        """B x 1024 x T/8 x H/32 x W/32."""
        T, H, W = x_BCTHW.shape[2:]
        if T < 5 or min(H, W) < 17:
            raise ValueError(
                f"S3D takes clips of at least 5x17x17, not {T}x{H}x{W}; "
                "set clip.num_frames and clip.crop_size"
            )
        return self.features(x_BCTHW)

    def forward(self, x_BCTHW: Tensor) -> Tensor:
        return pooled_steps(self.maps(x_BCTHW), self.final_pool)


class SelfGating(nn.Module):
    """Each channel times ``sigmoid(W mean(x) + b)`` (section 4.3)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc = nn.Linear(width, width)
        nn.init.trunc_normal_(self.fc.weight, std=0.01, a=-0.02, b=0.02)
        nn.init.zeros_(self.fc.bias)

    def forward(self, x_BCTHW: Tensor) -> Tensor:
        gate_BC = torch.sigmoid(self.fc(x_BCTHW.mean(dim=(2, 3, 4))))
        return x_BCTHW * gate_BC[:, :, None, None, None]
