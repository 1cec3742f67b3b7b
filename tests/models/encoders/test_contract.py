"""What every encoder owes the chain, over the YAML files of the group."""

from __future__ import annotations

import re

import pytest
import torch
from torch import nn

from stfw.build import Build
from stfw.config import compose, conf_dir, groups

ENCODERS = groups(conf_dir())["encoder"]
# the clip that a fixed-size network needs; (T, H, W)
SIZES = {
    "videomae": (4, 32, 32),
    "timesformer": (4, 32, 32),
    "vivit": (4, 32, 32),
    "mvit": (4, 32, 32),
    "uniformer": (4, 64, 64),
    "c3d": (16, 112, 112),
    "patch_cnn": (16, 32, 32),
}
# what makes a network small enough for a test
SMALL: dict[str, list[str]] = {
    "resnet3d_hara": ["encoder.depth=10"],
    "tsm": ["encoder.name=resnet18"],
    "videomae": [
        "encoder.width=48",
        "encoder.depth=2",
        "encoder.num_heads=3",
        "encoder.drop_path=0",
    ],
    "timesformer": [
        "encoder.width=48",
        "encoder.depth=2",
        "encoder.num_heads=3",
        "encoder.drop_path=0",
    ],
    "vivit": ["encoder.width=48", "encoder.depth=2", "encoder.num_heads=3"],
    "mvit": ["encoder.depth=3", "encoder.stages=[1,2]", "encoder.drop_path=0"],
    "uniformer": ["encoder.depths=[1,1,1,1]", "encoder.drop_path=0"],
    "swin3d": ["encoder.depths=[2,2,2,2]", "encoder.drop_path=0"],
}
# what cannot learn in the published network: MViT reads the class token alone, and its last block
# gives these to the other tokens alone
IDLE = {"mvit": r"net\.blocks\.2\.attn\.(rel_pos_[hwt]|pool_q\.pool\.weight)"}


@pytest.fixture(scope="module", params=ENCODERS)
def built(request: pytest.FixtureRequest) -> tuple[str, nn.Module]:
    torch.manual_seed(0)
    cfg = compose("train", [f"encoder={request.param}", *SMALL.get(request.param, [])]).cfg
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
    assert not [n for n in idle if not re.fullmatch(IDLE.get(name, ""), n)]


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
    cfg = compose("train", [f"encoder={name}", *SMALL.get(name, [])]).cfg
    encoder = Build()(cfg.encoder, in_channels=2).eval()
    with torch.no_grad():
        assert encoder(clips(name)[:1, :2]).shape[-1] == encoder.num_features
