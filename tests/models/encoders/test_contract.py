"""What every encoder owes the chain, over the YAML files of the group."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from stfw.assemble import Build
from stfw.config import compose, conf_dir, groups

ENCODERS = groups(conf_dir())["encoder"]
# the clip that a fixed-size network needs; (T, H, W)
SIZES = {"c3d": (16, 112, 112)}


@pytest.fixture(scope="module", params=ENCODERS)
def built(request: pytest.FixtureRequest) -> tuple[str, nn.Module]:
    torch.manual_seed(0)
    cfg = compose("train", [f"encoder={request.param}"]).cfg
    return request.param, Build()(cfg.encoder, in_channels=3)


def clips(name: str, B: int = 2) -> torch.Tensor:
    return torch.randn(B, 3, *SIZES.get(name, (8, 56, 56)))


def test_tokens_have_the_width_that_it_says(built: tuple[str, nn.Module]) -> None:
    name, encoder = built
    with torch.no_grad():
        tokens_BSD = encoder.eval()(clips(name))
    assert tokens_BSD.ndim == 3
    assert tokens_BSD.shape[0] == 2
    assert tokens_BSD.shape[2] == encoder.num_features


def test_every_parameter_learns(built: tuple[str, nn.Module]) -> None:
    name, encoder = built
    encoder.train().zero_grad()
    with torch.no_grad():  # residual branches that begin at zero let no gradient through
        for parameter in encoder.parameters():
            parameter += 0.01 * torch.randn_like(parameter)
    encoder(clips(name)).square().sum().backward()
    idle = [n for n, p in encoder.named_parameters() if p.grad is None or not p.grad.any()]
    assert not idle


def test_videos_do_not_look_at_each_other_and_evaluation_repeats(
    built: tuple[str, nn.Module],
) -> None:
    name, encoder = built
    encoder.eval()
    x_BCTHW = clips(name)
    changed = x_BCTHW.clone()
    changed[1] += 1
    with torch.no_grad():
        before, after, again = encoder(x_BCTHW), encoder(changed), encoder(x_BCTHW)
    assert torch.equal(before, again)
    assert torch.allclose(before[0], after[0], atol=1e-5)
    assert not torch.allclose(before[1], after[1], atol=1e-5)


def test_channels_other_than_three_are_taken(built: tuple[str, nn.Module]) -> None:
    name, _ = built
    cfg = compose("train", [f"encoder={name}"]).cfg
    encoder = Build()(cfg.encoder, in_channels=2).eval()
    with torch.no_grad():
        assert encoder(clips(name)[:1, :2]).shape[-1] == encoder.num_features
