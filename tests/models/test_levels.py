"""Where streams are joined: inputs, maps, features or logits; and streams that are dropped."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from stfw.assemble import assemble_network, check
from stfw.build import Build
from stfw.config import compose
from stfw.models.aggregators.mean import Mean
from stfw.models.fusions.concat import Concat
from stfw.models.fusions.conv import Conv
from stfw.models.heads.dense import Dense
from stfw.models.recognizer import Recognizer
from stfw.types import UserError

SMALL = ["clip.num_frames=4", "encoder.channels=[4,6,8]", "encoder.differences=false"]


def network_of(*overrides: str) -> nn.Module:
    cfg = compose("train", [*SMALL, *overrides]).cfg
    check(cfg)
    return assemble_network(cfg, Build(), num_classes=5)


def refused(*overrides: str) -> str:
    """What the dry run and the building both say."""
    cfg = compose("train", list(overrides)).cfg
    with pytest.raises(UserError) as dry:
        check(cfg)
    with pytest.raises(UserError) as real:
        assemble_network(cfg, Build(), num_classes=5)
    assert str(dry.value) == str(real.value)
    return str(dry.value)


def test_inputs_joined_are_one_network_of_all_channels() -> None:
    network = network_of("fusion=early", "streams=rgb_flow")
    assert network.encoders["joined"].blocks[0].in_channels == 5
    assert list(network.encoders) == list(network.aggregators) == ["joined"]
    x = {"rgb": torch.randn(2, 1, 2, 3, 4, 16, 16), "flow": torch.randn(2, 1, 2, 2, 4, 16, 16)}
    joined = network.eval().encoders["joined"]
    tokens_BSD = joined(torch.cat([x["rgb"], x["flow"]], dim=3).flatten(0, 2))
    expected_BD = tokens_BSD.reshape(2, -1, 8).mean(dim=1)
    assert torch.allclose(network.features(x)[:, 0], expected_BD, atol=1e-5)


def test_stacked_streams_can_be_joined_at_the_input() -> None:
    network = network_of(
        "fusion=early", "streams=rgb_flow", "streams.flow.stack=true", "streams.rgb.num_frames=1"
    )
    assert network.encoders["joined"].blocks[0].in_channels == 3 + 2 * 4
    x = {"rgb": torch.randn(2, 1, 1, 3, 1, 16, 16), "flow": torch.randn(2, 1, 1, 2, 4, 16, 16)}
    assert network(x).shape == (2, 1, 5)


class Maps(nn.Module):
    """Gives the clip itself as its maps."""

    def maps(self, x_BCTHW: Tensor) -> Tensor:
        return x_BCTHW


def test_maps_of_all_clips_of_a_view_meet_in_time() -> None:
    network = Recognizer(
        {"a": Maps(), "b": Maps()},
        {"joined": Mean(2)},
        Conv({"a": 2, "b": 2}, kernel_size=(3, 1, 1)),
        nn.Identity(),
    )
    x = {name: torch.rand(2, 3, 2, 2, 4, 5, 5) for name in "ab"}
    weights_BVN = torch.rand(2, 3, 2) + 0.1
    seen = []
    network.fusion.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    found_BVD = network({**x, "weights": weights_BVN})
    by_time = torch.cat([x["a"][1, 2, 0], x["a"][1, 2, 1]], dim=1)  # C, N * T, H, W
    assert torch.equal(seen[0]["a"][1 * 3 + 2], by_time)
    with torch.no_grad():
        maps = network.fusion(
            {n: torch.cat([x[n][1, 2, 0], x[n][1, 2, 1]], 1)[None] for n in x}, {}
        )
    steps_SD = maps[0].mean(dim=(2, 3)).T
    weights_S = weights_BVN[1, 2].repeat_interleave(4)
    expected_D = (steps_SD * weights_S[:, None]).sum(dim=0) / weights_S.sum()
    assert torch.allclose(found_BVD[1, 2], expected_D, atol=1e-5)


def test_joined_maps_are_pooled_over_space_as_the_fusion_says() -> None:
    x = {name: torch.rand(2, 1, 1, 2, 3, 5, 5) for name in "ab"}
    torch.manual_seed(0)
    fusion = Conv({"a": 2, "b": 2}, space_pool="max")
    encoders = {"a": Maps(), "b": Maps()}
    network = Recognizer(encoders, {"joined": Mean(2)}, fusion, nn.Identity())
    maps = fusion({name: value[:, 0, 0] for name, value in x.items()}, {})
    assert torch.allclose(network(x)[:, 0], maps.amax(dim=(3, 4)).mean(dim=2), atol=1e-6)
    fusion.space_pool = "mean"
    assert torch.allclose(network(x)[:, 0], maps.mean(dim=(2, 3, 4)), atol=1e-6)


class Counts(nn.Module):
    """Batch norm of the pixels; keeps how many clips it saw."""

    num_features = 1

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.num_clips = nn.BatchNorm3d(1), 0

    def forward(self, x_BCTHW: Tensor) -> Tensor:
        self.num_clips = len(x_BCTHW)
        return self.norm(x_BCTHW).mean(dim=(3, 4)).transpose(1, 2)


def partial() -> tuple[Recognizer, dict[str, object], dict[str, Tensor]]:
    """Five videos of two clips, of which two lack a stream: they show zeros there."""
    network = Recognizer(
        {"a": Counts(), "b": Counts()},
        {"a": Mean(1), "b": Mean(1)},
        Concat({"a": 1, "b": 1}),
        nn.Identity(),
    )
    x = {name: torch.rand(5, 1, 2, 1, 2, 4, 4) + 1 for name in "ab"}
    flag_B = torch.tensor([True, False, True, True, False])
    x["b"][~flag_B] = 0
    present = {"a": torch.ones(5, dtype=torch.bool), "b": flag_B}
    return network, {**x, "present": present}, x


def test_batch_norm_does_not_see_videos_that_lack_a_stream() -> None:
    network, batch, x = partial()
    network.train()({**batch, "padded": True})
    assert (network.encoders["a"].num_clips, network.encoders["b"].num_clips) == (10, 6)
    real = x["b"][[0, 2, 3]]
    assert torch.allclose(network.encoders["b"].norm.running_mean, 0.1 * real.mean(), atol=1e-5)
    # nor does what is left out change any number
    network.eval()
    assert torch.allclose(network({**batch, "padded": True}), network(batch), atol=1e-6)


def test_a_stream_of_one_clip_alone_is_encoded_with_the_others() -> None:
    network, batch, _ = partial()
    for flags in ([False] * 5, [True] + [False] * 4):
        flag_B = torch.tensor(flags)
        one_clip = {name: batch[name][:, :, :1] for name in "ab"}
        given = {**one_clip, "present": {"b": flag_B}, "padded": True}
        found_BVD = network.train()(given)
        assert network.encoders["b"].num_clips == 5
        assert torch.equal(found_BVD[:, 0, 1] != 0, flag_B)


def test_logits_have_a_head_for_each_stream() -> None:
    network = network_of("fusion=late_mean", "streams=rgb_flow")
    assert list(network.head) == ["rgb", "flow"]
    x = {"rgb": torch.randn(2, 3, 1, 3, 4, 16, 16), "flow": torch.randn(2, 3, 1, 2, 4, 16, 16)}
    network.eval()
    features = network.features(x)
    assert features.shape == (2, 3, 16)
    expected = (
        network.head["rgb"](features[..., :8]) + network.head["flow"](features[..., 8:])
    ) / 2
    assert torch.allclose(network(x), expected, atol=1e-5)


def test_dense_head_takes_the_aggregator_s_place() -> None:
    network = network_of("head=dense", "aggregator=lstm").eval()
    x_BVNCTHW = torch.randn(2, 3, 2, 3, 4, 16, 16)
    tokens_BSD = network.encoders["rgb"](x_BVNCTHW.flatten(0, 2)).reshape(6, -1, 8)
    expected = network.head.fc(tokens_BSD).mean(dim=1).reshape(2, 3, 5)
    assert torch.allclose(network({"rgb": x_BVNCTHW}), expected, atol=1e-5)
    assert network.features({"rgb": x_BVNCTHW}).shape == (2, 3, 8)
    assert not list(network.aggregators.parameters())


def test_dense_heads_go_with_late_fusion_and_joined_maps() -> None:
    x = {"rgb": torch.randn(2, 3, 2, 3, 4, 16, 16), "flow": torch.randn(2, 3, 2, 2, 4, 16, 16)}
    for fusion in ("late_mean", "conv", "early"):
        network = network_of("head=dense", f"fusion={fusion}", "streams=rgb_flow")
        assert network(x).shape == (2, 3, 5)
        heads = [m for m in network.modules() if isinstance(m, Dense)]
        assert len(heads) == (2 if fusion == "late_mean" else 1)


def test_what_does_not_go_together_is_refused_before_anything_is_built() -> None:
    told = refused("head=dense", "streams=rgb_flow", "fusion=gated")
    assert told.startswith("head: Dense reads the steps of one stream, and Gated joins features")
    told = refused("fusion=early", "streams=rgb_audio")
    assert "among rgb, audio there is sound" in told


def test_an_encoder_without_maps_is_refused() -> None:
    cfg = compose("train", ["fusion=conv", "streams=rgb_audio"]).cfg
    cfg.audio_encoder = {"_target_": "stfw.models.encoders.audio_conv1d.AudioConv1d"}
    with pytest.raises(UserError, match=r"streams\.audio, AudioConv1d, has none"):
        assemble_network(cfg, Build(), num_classes=5)


def test_maps_of_timm_s_networks_pool_to_their_features() -> None:
    from stfw.models.encoders.timm import Timm

    encoder, x_BCTHW = Timm("resnet10t").eval(), torch.randn(2, 3, 3, 64, 64)
    with torch.no_grad():
        maps_BCTHW = encoder.maps(x_BCTHW)
        assert torch.allclose(
            maps_BCTHW.mean(dim=(3, 4)).transpose(1, 2), encoder(x_BCTHW), atol=1e-5
        )
    with pytest.raises(UserError, match="vit_tiny_patch16_224 has no maps"):
        Timm("vit_tiny_patch16_224").maps(torch.randn(1, 3, 1, 224, 224))


def dropping(prob: float) -> tuple[Recognizer, dict[str, Tensor]]:
    class Pixels(nn.Module):
        def forward(self, x_BCTHW: Tensor) -> Tensor:
            return x_BCTHW.mean(dim=(3, 4)).transpose(1, 2)

    network = Recognizer(
        {"a": Pixels(), "b": Pixels()},
        {"a": Mean(1), "b": Mean(1)},
        Concat({"a": 1, "b": 1}),
        nn.Identity(),
        stream_dropout=prob,
    )
    return network, {name: torch.ones(64, 2, 1, 1, 1, 2, 2) for name in "ab"}


def test_streams_are_dropped_per_video_in_training_alone() -> None:
    network, batch = dropping(0.4)
    torch.manual_seed(1)
    seen_BVD = network(batch)
    assert torch.equal(seen_BVD[:, 0], seen_BVD[:, 1])  # all views of a video alike
    assert (seen_BVD.sum(dim=2) > 0).all()
    dropped = (seen_BVD[:, 0] == 0).float().mean(dim=0)
    assert ((dropped > 0.1) & (dropped < 0.6)).all()
    torch.manual_seed(1)
    assert torch.equal(network(batch), seen_BVD)
    assert (network.eval()(batch) == 1).all()


def test_a_video_keeps_the_one_stream_that_it_has() -> None:
    network, batch = dropping(1.0)
    flags_B = torch.arange(64) % 2 == 0
    seen_BD = network({**batch, "present": {"a": flags_B, "b": ~flags_B}})[:, 0]
    assert torch.equal(seen_BD[:, 0] > 0, flags_B)
    assert torch.equal(seen_BD[:, 1] > 0, ~flags_B)


def test_stream_dropout_comes_from_the_config() -> None:
    assert network_of("streams=rgb_flow", "stream_dropout=0.25").stream_dropout == 0.25
    assert network_of().stream_dropout == 0
