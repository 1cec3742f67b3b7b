"""What tells R3D, MC3 and the layouts of R(2+1)D apart."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from stfw.models.encoders.video_resnet import VideoResNet, middle
from stfw.types import UserError


def reach(frame: int, **arguments: Any) -> list[int]:
    """The frames whose pixels change what the first stage says of ``frame``."""
    torch.manual_seed(0)
    encoder = VideoResNet(**arguments).eval()
    x_BCTHW = torch.randn(1, 3, 16, 32, 32, requires_grad=True)
    net = encoder.net
    net.layer1(net.stem(x_BCTHW))[:, :, frame].sum().backward()
    assert x_BCTHW.grad is not None
    return [int(t) for t in x_BCTHW.grad.abs().sum(dim=(0, 1, 3, 4)).nonzero().flatten()]


@pytest.mark.parametrize("variant", ["r3d", "mc3", "r2plus1d"])
def test_five_convolutions_in_time_reach_five_frames(variant: str) -> None:
    assert reach(8, variant=variant) == list(range(3, 14))


def test_mc3_keeps_every_moment_and_the_others_an_eighth() -> None:
    with torch.device("meta"):
        x_BCTHW = torch.empty(1, 3, 16, 112, 112)
        assert VideoResNet(variant="mc3").maps(x_BCTHW).shape == (1, 512, 16, 7, 7)
        assert VideoResNet(variant="r3d").maps(x_BCTHW).shape == (1, 512, 2, 7, 7)
        steps = VideoResNet(variant="r2plus1d", depth=50, keep_time=True)(x_BCTHW)
        assert steps.shape == (1, 2, 2048)


def test_layouts_differ_in_the_middle_widths() -> None:
    def widths(layout: Any) -> list[int]:
        with torch.device("meta"):
            net = VideoResNet(variant="r2plus1d", layout=layout).net
        block = net.layer2[0]
        return [
            net.stem[0].out_channels,
            *(c[0][0].out_channels for c in (block.conv1, block.conv2)),
        ]

    assert widths("torchvision") == [45, 230, 230]
    assert widths("vmz") == [45, 230, 288]
    assert widths("mmaction") == [83, 230, 288]
    assert middle(64, 64) == 144  # as many parameters as 3 x 3 x 3: 64 * 64 * 27
    assert 64 * 144 * 9 + 144 * 64 * 3 == 64 * 64 * 27


def test_what_does_not_exist_is_told() -> None:
    with torch.device("meta"):
        with pytest.raises(UserError, match=r"encoder\.depth=35: there are 10, 18, 34"):
            VideoResNet(depth=35)
        with pytest.raises(UserError, match=r"encoder\.layout=vmz: only encoder\.variant=r2plus1d"):
            VideoResNet(variant="mc3", layout="vmz")
