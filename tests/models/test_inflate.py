"""The boring video: a still one gives what the 2D network gives on its picture."""

from __future__ import annotations

import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn

from stfw.models.encoders import i3d
from stfw.models.encoders.resnet3d import ResNet3D
from stfw.models.encoders.resnet3d_hara import ResNet3dHara
from stfw.models.inflate import inflate
from stfw.types import UserError
from tests.parity.reference import randomise

SLOW = {  # SlowOnly: time is neither halved nor looked at before the third stage
    "stem_time_kernel": 1,
    "stem_time_stride": 1,
    "stem_pool_time_stride": 1,
    "time_pool": False,
    "time_kernels": ((1,), (1,), (3,), (3,)),
}
I3D = SLOW | {"stem_time_kernel": 5, "time_kernels": ((3,), (3, 1), (3, 1), (1, 3))}


def resnet50(in_channels: int = 3) -> nn.Module:
    torch.manual_seed(0)
    return randomise(timm.create_model("resnet50", num_classes=7, in_chans=in_channels))


def googlenet() -> nn.Module:
    torch.manual_seed(0)
    make = torchvision.models.googlenet
    return randomise(make(num_classes=7, aux_logits=False, init_weights=False))


def boring(network: nn.Module, picture_CHW: Tensor, num_frames: int) -> Tensor:
    """Maps of a still video at its middle moment, averaged over space."""
    clip_BCTHW = picture_CHW[None, :, None].expand(-1, -1, num_frames, -1, -1)
    with torch.no_grad():
        maps_BCTHW = network.maps(clip_BCTHW)
    return maps_BCTHW[0, :, maps_BCTHW.shape[2] // 2].mean(dim=(1, 2))


# frames: enough that the middle sees none of the zeros beyond the ends
@pytest.mark.parametrize(
    ("settings", "num_frames"),
    [
        (SLOW | {"time_kernels": ((1,), (1,), (1,), (1,))}, 1),  # C2D
        (SLOW, 19),
        (I3D, 25),
        (SLOW | {"non_local": "dot_product"}, 19),
    ],
    ids=["c2d", "slowonly", "i3d", "non_local"],
)
def test_a_still_video_gives_the_picture_s_features(settings: dict, num_frames: int) -> None:
    flat = resnet50()
    network = ResNet3D(**settings).eval()
    state = inflate(flat.state_dict(), network)
    absent = set(network.state_dict()) - set(state)
    assert all("non_local" in name or name.endswith("num_batches_tracked") for name in absent)
    network.load_state_dict(state, strict=False)
    picture_CHW = torch.randn(3, 32, 32)
    with torch.no_grad():
        expected_D = flat.forward_features(picture_CHW[None])[0].mean(dim=(1, 2))
    assert expected_D.std() > 1e-2
    found_D = boring(network, picture_CHW, num_frames)
    torch.testing.assert_close(found_D, expected_D, rtol=1e-4, atol=1e-4)
    logits = [flat.get_classifier()(feature_D) for feature_D in (found_D, expected_D)]
    torch.testing.assert_close(*logits, rtol=1e-4, atol=1e-4)


INCEPTION_FRAMES = 112  # its middle moment sees 99 of them


def test_a_still_video_gives_inception_s_features() -> None:
    """At sides of 32k - 1 (223) TensorFlow's padding is torchvision's; see below for others."""
    flat, network = googlenet(), i3d.I3D().eval()
    state = inflate(flat.state_dict(), network)
    network.load_state_dict(state, strict=False)
    absent = set(network.state_dict()) - set(state)
    assert all(name.endswith("num_batches_tracked") for name in absent)
    picture_CHW = torch.randn(3, 63, 63)
    with torch.no_grad():
        expected_K = flat(picture_CHW[None])[0]
        found_D = boring(network, picture_CHW, INCEPTION_FRAMES)
    assert expected_K.std() > 1e-2
    torch.testing.assert_close(flat.fc(found_D), expected_K, rtol=1e-4, atol=1e-4)


def test_inception_s_first_windows_lie_one_pixel_further_at_even_sides() -> None:
    """TensorFlow pads 2 before and 3 after, torchvision 3 before."""
    flat, network = googlenet(), i3d.I3D().eval()
    network.load_state_dict(inflate(flat.state_dict(), network), strict=False)
    picture_CHW = torch.randn(3, 64, 64)
    with torch.no_grad():
        clip_BCTHW = picture_CHW[None, :, None].expand(-1, -1, 16, -1, -1)
        found_CHW = network.layers.conv1a(clip_BCTHW)[0, :, 4]
        shifted_CHW = flat.conv1(picture_CHW[None, :, 1:, 1:])[0]
        same_CHW = flat.conv1(picture_CHW[None])[0]
    inside = (slice(None), slice(2, -2), slice(2, -2))
    torch.testing.assert_close(found_CHW[inside], shifted_CHW[inside], rtol=1e-4, atol=1e-4)
    assert (found_CHW[inside] - same_CHW[inside]).abs().mean() > 0.1


def test_inception_of_flow_gets_the_mean_over_colours() -> None:
    flat, network = googlenet(), i3d.I3D(in_channels=2).eval()
    network.load_state_dict(inflate(flat.state_dict(), network), strict=False)
    gray_HW = torch.randn(31, 31)
    with torch.no_grad():
        flat.conv1.conv.weight *= 2 / 3
        expected_K = flat(gray_HW.expand(1, 3, -1, -1))[0]
    found_D = boring(network, gray_HW.expand(2, -1, -1), INCEPTION_FRAMES)
    torch.testing.assert_close(flat.fc(found_D), expected_K, rtol=1e-4, atol=1e-4)


def test_other_channels_get_the_mean_over_colours() -> None:
    flat, network = resnet50(), ResNet3D(in_channels=2, **SLOW).eval()
    network.load_state_dict(inflate(flat.state_dict(), network), strict=False)
    gray_HW = torch.randn(32, 32)
    with torch.no_grad():  # equal channels: two of the mean are 2/3 of three
        flat.conv1.weight *= 2 / 3
        expected_D = flat.forward_features(gray_HW.expand(1, 3, -1, -1))[0].mean(dim=(1, 2))
    found_D = boring(network, gray_HW.expand(2, -1, -1), 19)
    torch.testing.assert_close(found_D, expected_D, rtol=1e-4, atol=1e-4)


def test_resnet_18_of_basic_blocks() -> None:
    torch.manual_seed(0)
    flat = randomise(timm.create_model("resnet18", num_classes=0))
    network = ResNet3dHara(depth=18).eval()
    network.load_state_dict(inflate(flat.state_dict(), network), strict=False)
    kernels = [m for m in network.modules() if isinstance(m, nn.Conv3d)]
    weights = [m for m in flat.modules() if isinstance(m, nn.Conv2d)]
    for kernel, weight in zip(kernels, weights, strict=True):
        torch.testing.assert_close(kernel.weight.sum(dim=2), weight.weight)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"depth": 101}, "106 convolutions and norms cannot be inflated into one of 208"),
        ({"middle": "ir"}, r"layer1.0.conv2.weight \(64, 64, 3, 3\) cannot be inflated"),
        ({"middle": "2plus1"}, "cannot be inflated into one of"),
    ],
)
def test_other_layers_are_refused(settings: dict, message: str) -> None:
    with torch.device("meta"):
        network, flat = ResNet3D(**settings), timm.create_model("resnet50")
    with pytest.raises(UserError, match=message):
        inflate(flat.state_dict(), network)
