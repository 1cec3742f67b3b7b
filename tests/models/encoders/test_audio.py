"""What every encoder of sound owes the chain, over the YAML files of the group."""

from __future__ import annotations

import pytest
import torch
from omegaconf import OmegaConf
from torch import nn

from stfw.build import Build
from stfw.config import conf_dir, groups
from stfw.models.encoders.audio_conv1d import AudioConv1d
from stfw.types import UserError

WAYS = [*((name,) for name in groups(conf_dir())["audio_encoder"]), ("audio_conv1d", "lstm_size=9")]


@pytest.fixture(params=WAYS, ids=" ".join)
def encoder(request: pytest.FixtureRequest) -> nn.Module:
    node = OmegaConf.load(conf_dir() / "audio_encoder" / f"{request.param[0]}.yaml")
    node.merge_with(OmegaConf.from_dotlist(list(request.param[1:])))
    return Build()(node, in_channels=1)


def test_steps_follow_the_sound_and_videos_are_apart(encoder: nn.Module) -> None:
    encoder.eval()
    x_BCML = torch.randn(2, 1, 64, 80)
    other = x_BCML.clone()
    other[1, :, :, 60:] += 1
    with torch.no_grad():
        tokens_BSD, changed_BSD = encoder(x_BCML), encoder(other)
    assert tokens_BSD.shape[2] == encoder.num_features
    assert tokens_BSD.shape[1] > 1
    assert torch.allclose(tokens_BSD[0], changed_BSD[0], atol=1e-5)
    assert torch.allclose(tokens_BSD[1, :2], changed_BSD[1, :2], atol=1e-5)  # the beginning
    assert not torch.allclose(tokens_BSD[1, -1], changed_BSD[1, -1], atol=1e-5)


def test_every_parameter_learns_in_half_precision_too(encoder: nn.Module) -> None:
    with torch.autocast("cpu", torch.bfloat16):
        assert encoder(torch.randn(2, 1, 64, 80)).isfinite().all()
    encoder(torch.randn(2, 1, 64, 80)).square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in encoder.parameters())


def test_conv1d_tells_frequencies_apart() -> None:
    """What a 2D convolution averaged over mels hardly can: the same tone, higher."""
    encoder = AudioConv1d().eval()
    low, high = torch.zeros(1, 1, 64, 40), torch.zeros(1, 1, 64, 40)
    low[:, :, 10], high[:, :, 40] = 1, 1
    assert not torch.allclose(encoder(low), encoder(high), atol=1e-3)


def test_another_number_of_mels_is_told() -> None:
    with pytest.raises(UserError, match=r"num_mels=64, and the sound has 80 mel bins"):
        AudioConv1d()(torch.randn(1, 1, 80, 40))
    with pytest.raises(UserError, match="kernel_size=4 must be odd"):
        AudioConv1d(kernel_size=4)
