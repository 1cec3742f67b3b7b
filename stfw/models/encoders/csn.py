"""CSN (Tran et al. 2019, "Video Classification with Channel-Separated Convolutional Networks")."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from stfw.models.encoders.resnet3d import ResNet3D


class CSN(ResNet3D):
    """A 3D ResNet whose 3x3x3 convolutions are depthwise: channels meet in 1x1x1 alone.

    As published for 32 x 2 frames; with 400 classes ir-CSN-152 has 29,703,568 parameters,
    ip-CSN-152 33,016,592, ir-CSN-101 22,213,776, ir-CSN-50 13,131,152.

    Args:
        in_channels: C of the clip.
        depth: 50, 101 or 152 layers.
        mode: ``ir`` (interaction-reduced: the depthwise convolution replaces the 3x3x3) or ``ip``
            (interaction-preserved: a 1x1x1 convolution goes before it).
        bn_eps: of batch norm; 1e-3 as published, PyTorchVideo has 1e-5.
        keep_time: keep the time steps (S = T / 8), else S = 1.
        pool_size: window (H, W) of the last average on the maps, a step per place; null: the whole
            frame.
    """

    def __init__(
        self,
        in_channels: int = 3,
        depth: int = 152,
        mode: Literal["ir", "ip"] = "ir",
        bn_eps: float = 1e-3,
        keep_time: bool = False,
        pool_size: Sequence[int] | None = None,
    ) -> None:
        super().__init__(
            in_channels,
            depth,
            stem_time_kernel=3,
            stem_time_stride=1,
            stem_pool_time_stride=1,
            time_pool=False,
            time_kernels=((3,), (3,), (3,), (3,)),
            middle=mode,
            time_strides=(1, 2, 2, 2),
            bn_eps=bn_eps,
            zero_init=False,
            keep_time=keep_time,
            pool_size=pool_size,
        )
