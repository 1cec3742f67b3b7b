"""The articles' chains: each passes the dry run, loads real videos, and learns from them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from stfw.assemble import assemble_data, assemble_network, check
from stfw.build import Build
from stfw.config import compose
from stfw.models.encoders.patch_cnn import PatchCnn
from stfw.models.fusions.gated import Gated
from stfw.models.fusions.sum import Sum
from stfw.models.recognizer import Recognizer
from stfw.types import UserError

# stream -> N C T H W (sound: N C M L) of the shipped preset
SHAPES = {
    "patches": {"rgb": (20, 3, 4, 32, 32)},
    "fragments": {"rgb": (8, 3, 4, 32, 32)},
    "cnn_attention": {"rgb": (1, 3, 16, 32, 32)},
    "two_stream": {"rgb": (1, 3, 1, 224, 224), "flow": (1, 2, 10, 224, 224)},
    "two_stream_i3d": {"rgb": (1, 3, 64, 224, 224), "flow": (1, 2, 64, 224, 224)},
    "two_stream_fused": {"rgb": (5, 3, 1, 224, 224), "flow": (5, 2, 10, 224, 224)},
    "three_stream": {
        "rgb": (1, 3, 16, 32, 32),
        "flow": (1, 2, 16, 32, 32),
        "audio": (1, 1, 64, 201),
    },
}
TOY = [
    "data.num_train=2",
    "data.num_val=2",
    "data.num_test=2",
    "data.num_frames=20",
    "data.batch_size=2",
    "data.num_workers=0",
]
# what pictures of published size cost is left out of the step
LESS = {
    "two_stream": ["clip.crop_size=32", "clip.short_side=36"],
    "two_stream_i3d": ["clip.crop_size=32", "clip.short_side=36"],
    "two_stream_fused": ["clip.crop_size=32", "clip.short_side=36"],
}


def network_of(preset: str, *overrides: str) -> Recognizer:
    cfg = compose("train", [f"model={preset}", *overrides]).cfg
    return assemble_network(cfg, Build(), num_classes=8)


@pytest.mark.parametrize("preset", SHAPES)
def test_a_preset_reads_what_it_says_and_learns(preset: str, tmp_path: Path) -> None:
    cfg = compose("train", [f"model={preset}", *TOY]).cfg
    check(cfg)
    data = assemble_data(cfg, Build())
    data.setup("fit")
    example = data.example()
    shapes = SHAPES[preset]
    assert {name: tuple(example[name].shape[1:]) for name in example["present"]} == shapes  # type: ignore[literal-required]
    torch.manual_seed(0)
    network = network_of(preset, *LESS.get(preset, []), "head.dropout=0")
    x = {name: random_stream(shape) for name, shape in shapes.items()}
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-3)
    losses = []
    for _ in range(2):
        logits_BVK = network.train()(x)
        loss = nn.functional.cross_entropy(logits_BVK[:, 0], torch.tensor([2, 5]))
        optimizer.zero_grad()
        loss.backward()
        losses.append(loss.item())
        optimizer.step()
    assert losses[1] < losses[0]
    assert all(p.grad is not None and p.grad.any() for p in network.parameters())


def random_stream(shape_NCTHW: tuple[int, ...]) -> Tensor:
    """Two videos of one view; pictures of 32 x 32."""
    if len(shape_NCTHW) == 5:
        shape_NCTHW = (*shape_NCTHW[:3], 32, 32)
    return torch.randn(2, 1, *shape_NCTHW)


def test_two_stream_is_a_frame_and_a_stack_of_twenty_flow_channels() -> None:
    with torch.device("meta"):
        network = network_of("two_stream")
    assert network.encoders["rgb"].net.conv1.in_channels == 3
    assert network.encoders["flow"].net.conv1.in_channels == 20
    assert network.fusion.average == "probabilities"


def test_two_stream_fused_joins_the_last_maps_over_five_moments() -> None:
    with torch.device("meta"):
        network = network_of("two_stream_fused")
    assert tuple(network.fusion.conv.weight.shape) == (512, 2 * 512, 3, 3, 3)
    assert network.head.fc.in_features == 512
    assert network.fusion.space_pool == "max"


def test_two_stream_i3d_is_i3d_on_both_streams() -> None:
    cfg = compose("train", ["model=two_stream_i3d"]).cfg
    assert (cfg.clip.num_frames, cfg.transform.batch.normalize.motion_std) == (64, 0.5)
    with torch.device("meta"):
        network = network_of("two_stream_i3d")
    assert {name: type(one).__name__ for name, one in network.encoders.items()} == {
        "rgb": "I3D",
        "flow": "I3D",
    }
    assert network.encoders["flow"].layers.conv1a.conv.in_channels == 2
    assert list(network.head) == ["rgb", "flow"]


def test_fragments_are_seen_one_by_one_before_the_gru() -> None:
    network = network_of("fragments")
    encoder = network.encoders["rgb"]
    assert isinstance(encoder, PatchCnn)
    seen = []
    encoder.register_forward_pre_hook(lambda _, given: seen.append(given[0].shape))
    network({"rgb": torch.randn(2, 1, 8, 3, 4, 32, 32)})
    assert seen == [(16, 3, 4, 32, 32)]
    assert network.aggregators["rgb"].gru.input_size == encoder.num_features


def test_three_streams_end_in_an_lstm_each() -> None:
    with torch.device("meta"):
        network = network_of("three_stream")
    assert list(network.encoders) == list(network.aggregators) == ["rgb", "flow", "audio"]
    assert all(isinstance(one.lstm, nn.LSTM) for one in network.aggregators.values())
    assert network.head.fc.in_features == 3 * 256


def test_three_streams_can_keep_the_convolutional_features_beside_the_lstm_s() -> None:
    with torch.device("meta"):
        network = network_of("three_stream", "aggregator.with_mean=true")
    widths = [encoder.num_features for encoder in network.encoders.values()]
    assert network.head.fc.in_features == 3 * 256 + sum(widths)


def test_streams_join_in_stages_and_have_their_own_aggregators_from_the_command_line() -> None:
    words = ["fusion=hierarchical", "fusion.streams=[[rgb,flow],audio]"]
    with torch.device("meta"):
        network = network_of("three_stream", *words, "+aggregator@streams.audio.aggregator=gru")
    assert [type(one).__name__ for one in network.aggregators.values()] == ["Lstm", "Lstm", "Gru"]
    assert list(network.fusion.first.inner["rgb+flow"].project) == ["rgb", "flow"]
    assert list(network.fusion.first.outer.project) == ["rgb+flow", "audio"]


def test_the_stages_of_a_hierarchical_fusion_are_chosen_from_the_command_line() -> None:
    words = ["fusion@fusion.first=sum", "fusion.first.hidden_size=64", "fusion@fusion.second=gated"]
    with torch.device("meta"):
        network = network_of("three_stream", "fusion=hierarchical", *words)
    assert isinstance(network.fusion.first, Sum)
    assert network.fusion.first.num_features == 64
    assert isinstance(network.fusion.second, Gated)
    assert list(network.fusion.second.project) == ["joined", "audio"]
    with pytest.raises(UserError, match="fusion=sun: no such option; did you mean 'sum'"):
        network_of("three_stream", "fusion=hierarchical", "fusion@fusion.first=sun")
    with pytest.raises(UserError, match=r"^fusion@fusion\.first: at fusion\.first nothing of"):
        network_of("three_stream", "fusion@fusion.first=sum")


def test_an_unknown_stream_in_an_inner_list_is_told() -> None:
    words = ["fusion=hierarchical", "fusion.streams=[[rgb,fow],audio]"]
    with pytest.raises(UserError, match="no stream 'fow'; did you mean 'flow'"):
        network_of("three_stream", *words)
