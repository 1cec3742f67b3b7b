"""What every aggregator owes the chain, over the YAML files of the group."""

from __future__ import annotations

import copy
import functools

import pytest
import torch
from omegaconf import DictConfig, OmegaConf
from torch import nn

from stfw.build import Build
from stfw.config import compose, conf_dir, groups

# more ways of some, each an option and overrides
WAYS = [
    *((name,) for name in groups(conf_dir())["aggregator"] if name != "concat"),
    ("concat", "num_steps=4"),
    ("lstm", "bidirectional=true", "num_layers=2", "output=last"),
    ("lstm", "with_mean=true"),
    ("gru", "bidirectional=true", "output=last"),
    ("attention", "mode=dot"),
    ("self_attention", "positions=learned", "output=mean"),
    ("self_attention", "positions=none"),
    ("temporal_conv", "dilation=2"),
    ("netvlad", "hidden_size=5"),
]
D = 6


@functools.cache
def base() -> DictConfig:
    return compose("train", []).cfg


def build(way: tuple[str, ...]) -> nn.Module:
    torch.manual_seed(0)
    cfg = copy.deepcopy(base())
    cfg.aggregator = OmegaConf.load(conf_dir() / "aggregator" / f"{way[0]}.yaml")
    cfg.aggregator.merge_with(OmegaConf.from_dotlist(list(way[1:])))
    return Build()(cfg.aggregator, in_features=D)


@pytest.fixture(scope="module", params=WAYS, ids=" ".join)
def built(request: pytest.FixtureRequest) -> tuple[nn.Module, int]:
    """An aggregator, and how many steps it takes."""
    aggregator = build(request.param)
    with torch.no_grad():  # what begins at zero lets no gradient through
        for parameter in aggregator.parameters():
            parameter += 0.01 * torch.randn_like(parameter)
    return aggregator, 1 if request.param[0] == "none" else 4


def test_feature_has_the_width_that_it_says(built: tuple[nn.Module, int]) -> None:
    aggregator, S = built
    feature_BD = aggregator.eval()(torch.randn(3, S, D), torch.rand(3, S) + 0.1)
    assert feature_BD.shape == (3, aggregator.num_features)
    assert feature_BD.isfinite().all()


def test_padding_changes_nothing_wherever_it_stands(built: tuple[nn.Module, int]) -> None:
    aggregator, S = built
    aggregator.eval()
    tokens_BSD, weights_BS = torch.randn(3, S, D), torch.rand(3, S) + 0.1
    padding_BSD, absent_BS = 100 * torch.randn(3, 3, D), torch.zeros(3, 3)
    plain_BD = aggregator(tokens_BSD, weights_BS)
    for at in (0, S // 2, S):
        padded_BSD = torch.cat([tokens_BSD[:, :at], padding_BSD, tokens_BSD[:, at:]], dim=1)
        padded_BS = torch.cat([weights_BS[:, :at], absent_BS, weights_BS[:, at:]], dim=1)
        assert torch.allclose(aggregator(padded_BSD, padded_BS), plain_BD, atol=1e-5)
        with torch.no_grad():  # torch takes other kernels without gradients
            assert torch.allclose(aggregator(padded_BSD, padded_BS), plain_BD, atol=1e-5)


def test_every_parameter_learns_and_padding_gets_no_gradient(built: tuple[nn.Module, int]) -> None:
    aggregator, S = built
    aggregator.train().zero_grad()
    tokens_BSD = torch.randn(3, S + 1, D, requires_grad=True)
    weights_BS = torch.ones(3, S + 1)
    weights_BS[:, -1] = 0
    feature_BD = aggregator(tokens_BSD, weights_BS)
    (feature_BD * torch.randn_like(feature_BD)).sum().backward()
    idle = [n for n, p in aggregator.named_parameters() if p.grad is None or not p.grad.any()]
    assert not idle
    assert tokens_BSD.grad is not None
    assert tokens_BSD.grad.isfinite().all()
    assert not tokens_BSD.grad[:, -1].any()


def test_videos_do_not_look_at_each_other(built: tuple[nn.Module, int]) -> None:
    aggregator, S = built
    aggregator.eval()
    tokens_BSD, weights_BS = torch.randn(2, S, D), torch.ones(2, S)
    changed_BSD = tokens_BSD.clone()
    changed_BSD[1] += torch.randn(S, D)
    before_BD, after_BD = aggregator(tokens_BSD, weights_BS), aggregator(changed_BSD, weights_BS)
    assert torch.allclose(before_BD[0], after_BD[0], atol=1e-6)
    assert not torch.allclose(before_BD[1], after_BD[1], atol=1e-6)


ATTENTIVE = [way for way in WAYS if way[0] in ("attention", "self_attention", "weighted_mean")]


@pytest.mark.parametrize("way", ATTENTIVE, ids=" ".join)
def test_attention_is_a_share_for_every_real_step(way: tuple[str, ...]) -> None:
    weights_BS = torch.ones(3, 5)
    weights_BS[0, 1] = 0
    shares_BS = build(way).eval().attention(torch.randn(3, 5, D), weights_BS)
    assert shares_BS.shape == weights_BS.shape
    assert torch.allclose(shares_BS.sum(dim=1), torch.ones(3))
    assert torch.equal(shares_BS > 0, weights_BS > 0)


def test_operations_can_be_counted(built: tuple[nn.Module, int]) -> None:
    aggregator, S = built
    meta = copy.deepcopy(aggregator).to("meta").eval()
    tokens_BSD = torch.empty(1, S, D, device="meta")
    feature_BD = meta(tokens_BSD, torch.empty(1, S, device="meta"))
    assert feature_BD.shape == (1, aggregator.num_features)


def test_half_precision_gives_about_the_same(built: tuple[nn.Module, int]) -> None:
    aggregator, S = built
    tokens_BSD, weights_BS = torch.randn(3, S, D), torch.rand(3, S) + 0.1
    weights_BS[:, S:-1] = 0
    plain_BD = aggregator.eval()(tokens_BSD, weights_BS)
    with torch.autocast("cpu", torch.bfloat16):
        for tokens in (tokens_BSD, tokens_BSD.bfloat16()):  # as encoders give them
            half_BD = aggregator(tokens, weights_BS)
            assert torch.allclose(half_BD.float(), plain_BD, atol=0.1, rtol=0.1)
