"""What every fusion owes the chain, over the YAML files of the group."""

from __future__ import annotations

import copy
import functools

import pytest
import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn

from stfw.assemble import assemble_network
from stfw.build import Build
from stfw.config import compose, conf_dir, groups

WAYS = [
    *((name,) for name in groups(conf_dir())["fusion"]),
    ("sum", "hidden_size=4"),
    ("gated", "per_feature=true"),
    ("conv", "kernel_size=[1,1,1]", "hidden_size=4"),
    ("late_mean", "average=probabilities"),
    ("late_weighted", "weights.flow=1.5"),
    ("late_learned", "per_class=true", "average=probabilities"),
    ("hierarchical", "streams=[rgb,difference]"),
    ("hierarchical", "streams=[[rgb,difference],flow]"),
]
# a few small pictures; K = 3
CHAIN = ["clip.num_frames=4", "encoder.channels=[4,6,8]", "encoder.differences=false"]
CHANNELS = {"rgb": 3, "flow": 2, "difference": 3}
B, V = 3, 2


@functools.cache
def base() -> DictConfig:
    cfg = compose("train", ["streams=rgb_flow", *CHAIN]).cfg
    OmegaConf.set_struct(cfg, False)
    cfg.streams["difference"] = {
        **cfg.streams.rgb,
        "source": {"_target_": "stfw.data.streams.difference.Difference"},
    }
    return cfg


@functools.cache
def fusion(name: str) -> DictConfig:
    return compose("train", [f"fusion={name}"]).cfg.fusion


def config(way: tuple[str, ...], *streams: str) -> DictConfig:
    cfg = copy.deepcopy(base())
    cfg.fusion = copy.deepcopy(fusion(way[0]))
    cfg.fusion.merge_with(OmegaConf.from_dotlist(list(way[1:])))
    cfg.streams = {name: cfg.streams[name] for name in streams}
    return cfg


def build(cfg: DictConfig) -> nn.Module:
    torch.manual_seed(0)
    return assemble_network(cfg, Build(), num_classes=3)


def inputs(network: nn.Module) -> dict[str, Tensor]:
    return {name: torch.randn(B, V, 2, CHANNELS[name], 4, 16, 16) for name in network.streams}  # type: ignore[union-attr, misc]


@pytest.fixture(scope="module", params=WAYS, ids=" ".join)
def way(request: pytest.FixtureRequest) -> tuple[str, ...]:
    return request.param


@pytest.fixture(scope="module")
def network(way: tuple[str, ...]) -> nn.Module:
    return build(config(way, *CHANNELS))


def test_gives_logits_and_a_feature_for_every_view(network: nn.Module) -> None:
    with torch.no_grad():
        batch = inputs(network.eval())
        assert network(batch).shape == (B, V, 3)
        assert network.features(batch).shape[:2] == (B, V)  # type: ignore[operator]


def test_one_stream_passes_through(way: tuple[str, ...]) -> None:
    if way[-1].startswith("streams="):  # of a stream that is not there
        return
    cfg = config(way if "weights" not in way[-1] else way[:1], "rgb")
    network = build(cfg).train()
    logits_BVK = network(inputs(network))
    assert logits_BVK.shape == (B, V, 3)
    assert logits_BVK.std(dim=0).min() > 0  # it tells videos from each other
    (logits_BVK * torch.randn_like(logits_BVK)).sum().backward()
    # a gate of one stream has nothing to choose; everything has a gradient, as DDP demands
    assert all(p.grad is not None for p in network.parameters())


def test_what_a_missing_stream_shows_changes_nothing(network: nn.Module) -> None:
    network.eval()
    batch = inputs(network)
    flags_B = torch.tensor([True, False, True])
    present = {name: torch.ones(B, dtype=torch.bool) for name in batch} | {"flow": flags_B}
    other = {**batch, "flow": batch["flow"] + torch.randn_like(batch["flow"])}
    with torch.no_grad():
        before = network({**batch, "present": present})
        after = network({**other, "present": present})
        full = network(batch)
    same_B = torch.isclose(before, after, atol=1e-6).flatten(1).all(dim=1)
    assert same_B.tolist() == [False, True, False]
    assert torch.allclose(before[[0, 2]], full[[0, 2]], atol=1e-6)  # flags of 1 are no flags
    assert not torch.allclose(before[1], full[1], atol=1e-6)


def test_a_video_without_any_stream_gives_numbers_and_gradients(network: nn.Module) -> None:
    network.train().zero_grad()
    batch = inputs(network)
    present = {name: torch.tensor([True, False, True]) for name in batch}
    logits_BVK = network({**batch, "present": present})
    logits_BVK.square().sum().backward()
    assert logits_BVK.isfinite().all()
    assert all(p.grad is None or p.grad.isfinite().all() for p in network.parameters())


def test_every_parameter_learns_also_beside_missing_streams(network: nn.Module) -> None:
    network.train().zero_grad()
    batch = inputs(network)
    present = {"flow": torch.tensor([True, False, True])}
    logits_BVK = network({**batch, "present": present})
    (logits_BVK * torch.randn_like(logits_BVK)).sum().backward()
    idle = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert not idle
    assert all(p.grad.isfinite().all() for p in network.parameters())  # type: ignore[union-attr]


def test_videos_do_not_look_at_each_other(network: nn.Module) -> None:
    network.eval()
    batch = inputs(network)
    other = {name: x.clone() for name, x in batch.items()}
    for x in other.values():
        x[1] += torch.randn_like(x[1])
    with torch.no_grad():
        before, after = network(batch), network(other)
    assert torch.allclose(before[[0, 2]], after[[0, 2]], atol=1e-5)
    assert not torch.allclose(before[1], after[1], atol=1e-5)


def test_padding_changes_nothing(network: nn.Module) -> None:
    network.eval()
    batch = inputs(network)
    padded = {
        name: torch.cat([x, torch.full_like(x, float("nan"))], dim=2) for name, x in batch.items()
    }
    weights_BVN = torch.tensor([1.0, 1, 0, 0]).expand(B, V, 4)
    with torch.no_grad():
        plain = network(batch)
        full = network({**padded, "weights": weights_BVN, "padded": True})
    assert torch.allclose(plain, full, atol=1e-5)


def test_half_precision_gives_about_the_same(network: nn.Module) -> None:
    network.eval()
    batch = inputs(network)
    present = {"flow": torch.tensor([True, False, True])}
    with torch.no_grad():
        plain = network({**batch, "present": present})
        with torch.autocast("cpu", torch.bfloat16):
            half = network({**batch, "present": present})
    assert torch.allclose(plain, half.float(), atol=0.1, rtol=0.1)
