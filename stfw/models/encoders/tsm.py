"""TSM: a ResNet on frames whose blocks look one frame back and ahead (Lin et al. 2019)."""

from __future__ import annotations

from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from stfw.models.encoders.nonlocal_block import NonLocal
from stfw.models.encoders.timm import Timm
from stfw.types import UserError


class Tsm(Timm):
    """A ResNet of timm with temporal shift before the first convolution of its residual blocks.

    All T frames of a clip are seen together: with one clip of frames from T segments this is TSM
    as published. It has the parameters and multiply-accumulates of the 2D network. Networks of 23
    blocks or more in the third stage (ResNet-101) shift in every second block. S = T.

    Args:
        name: a ResNet of timm, for example ``resnet50``.
        in_channels: C of a frame.
        pretrained: fetch timm's ImageNet weights (downloads on first use).
        drop_rate: dropout inside the network.
        fold_div: 1 / fold_div of the channels move one frame back, as many one ahead.
        non_local: kind of the non-local blocks (Wang et al. 2018) after two blocks of the second
            stage and three of the third; null: none.

    Raises:
        UserError: timm knows no such name, or it is no ResNet.
    """

    def __init__(
        self,
        name: str = "resnet50",
        in_channels: int = 3,
        pretrained: bool = False,
        drop_rate: float = 0.0,
        fold_div: int = 8,
        non_local: Literal["dot_product", "embedded_gaussian", "gaussian"] | None = None,
    ) -> None:
        super().__init__(name, in_channels, pretrained, drop_rate)
        stages = residual_stages(self.net, name)
        if fold_div < 2:
            raise UserError(f"encoder.fold_div={fold_div}: must be at least 2")
        every = 2 if len(stages[2]) >= 23 else 1
        for stage in stages:
            blocks: list[Any] = list(stage)[::every]
            for block in blocks:
                block.conv1 = Shifted(block.conv1, fold_div)
        if non_local is None:
            return
        for number, count in ((1, 2), (2, 3)):
            stage, info = stages[number], cast(Any, self.net.feature_info)
            width = int(info[number + 1]["num_chs"])
            for index in range(0, len(stage), max(1, len(stage) // count))[:count]:
                stage[index] = nn.Sequential(stage[index], OverClip(NonLocal(width, non_local)))

    def forward(self, x_BCTHW: Tensor) -> Tensor:
        for module in self.net.modules():
            if isinstance(module, PerClip):
                module.num_frames = x_BCTHW.shape[2]
        return super().forward(x_BCTHW)


def residual_stages(net: nn.Module, name: str) -> list[nn.Sequential]:
    """The four stages of a ResNet of timm.

    Raises:
        UserError: it is none.
    """
    stages = [getattr(net, f"layer{number}", None) for number in range(1, 5)]
    found = [s for s in stages if isinstance(s, nn.Sequential) and hasattr(s[0], "conv1")]
    if len(found) < 4:
        raise UserError(
            f"encoder.name={name}: temporal shift goes into the blocks of a ResNet; "
            "take one of timm's, for example encoder.name=resnet50"
        )
    return found


class PerClip(nn.Module):
    """Takes x_FCHW, the frames of all clips in a row, and has to know where a clip ends."""

    num_frames = 1  # of the clips at hand; told by the network


class OverClip(PerClip):
    """A layer on x_BCTHW within a network on frames."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x_FCHW: Tensor) -> Tensor:
        x_BTCHW = x_FCHW.unflatten(0, (-1, self.num_frames))
        return self.layer(x_BTCHW.transpose(1, 2)).transpose(1, 2).flatten(0, 1)


class Shifted(PerClip):
    """A layer that sees some channels of the next frame and some of the one before.

    Args:
        layer: takes x_FCHW.
        fold_div: see ``Tsm``.
    """

    def __init__(self, layer: nn.Module, fold_div: int) -> None:
        super().__init__()
        self.layer, self.fold_div = layer, fold_div

    def forward(self, x_FCHW: Tensor) -> Tensor:
        return self.layer(shift(x_FCHW, self.num_frames, self.fold_div))


def shift(x_FCHW: Tensor, num_frames: int, fold_div: int) -> Tensor:
    """Moves a fold of the channels one frame back and the next fold one ahead.

    Args:
        x_FCHW: frames of all clips in a row, F = B * num_frames.
        num_frames: T of a clip; nothing passes from one clip to another, ends are filled with 0.
        fold_div: C // fold_div channels are a fold.
    """
    x_BTCHW = x_FCHW.unflatten(0, (-1, num_frames))
    fold = x_BTCHW.shape[2] // fold_div
    shifted_BTCHW = torch.zeros_like(x_BTCHW)
    shifted_BTCHW[:, :-1, :fold] = x_BTCHW[:, 1:, :fold]
    shifted_BTCHW[:, 1:, fold : 2 * fold] = x_BTCHW[:, :-1, fold : 2 * fold]
    shifted_BTCHW[:, :, 2 * fold :] = x_BTCHW[:, :, 2 * fold :]
    return shifted_BTCHW.flatten(0, 1)
