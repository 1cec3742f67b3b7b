"""Starting from weights: what is copied, what stays new, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from stfw.models.aggregators.lstm import Lstm
from stfw.models.aggregators.mean import Mean
from stfw.models.encoders.logmel_cnn import LogMelCNN
from stfw.models.encoders.stconv import StConv
from stfw.models.fusions.concat import Concat
from stfw.models.heads.linear import Linear
from stfw.models.recognizer import Recognizer
from stfw.runs import weights_file
from stfw.runs.weights import Weights, read_weights, start_from
from stfw.types import UserError

ABC = ["a", "b", "c"]


def encoder(in_channels: int = 3, width: int = 4) -> StConv:
    return StConv(in_channels, channels=(width, width, 8), differences=False)


def network(num_classes: int = 3, lstm: bool = False, **streams: torch.nn.Module) -> Recognizer:
    encoders = streams or {"rgb": encoder()}
    widths = {name: e.num_features for name, e in encoders.items()}
    joined = {name: Lstm(D, 8) if lstm else Mean(D) for name, D in widths.items()}
    after = {name: aggregator.num_features for name, aggregator in joined.items()}
    return Recognizer(encoders, joined, Concat(after), Linear(sum(after.values()), num_classes))


def of_encoder(num_classes: int = 3) -> dict[str, Tensor]:
    """An imported file's tensors, all of them random."""
    other = network(num_classes)
    state = {f"encoder.{k}": v for k, v in other.encoders["rgb"].state_dict().items()}
    state |= {f"head.{k}": v for k, v in other.head.state_dict().items()}
    return {k: torch.randn(v.shape) if v.is_floating_point() else v for k, v in state.items()}


def test_an_encoder_and_its_head_are_copied() -> None:
    net, state = network(), of_encoder()
    told = start_from(net, Weights("weights=f", state, ABC), ABC)
    assert told == "20 of 20 tensors from f"
    own = net.state_dict()
    for name, value in state.items():
        ours = name.replace("encoder.", "encoders.rgb.")
        assert torch.equal(own[ours], value.to(own[ours].dtype))


def test_a_head_of_another_class_count_stays_new_and_is_named() -> None:
    net = network(5)
    before = net.head.fc.weight.clone()
    told = start_from(net, Weights("weights=f", of_encoder()), list("abcde"))
    assert told == (
        "18 of 20 tensors from f; new: head.fc.weight, head.fc.bias; 3 classes there, 5 here"
    )
    assert torch.equal(net.head.fc.weight, before)


def test_a_head_of_the_same_classes_in_another_order_is_put_in_order() -> None:
    net, state = network(), of_encoder()
    told = start_from(net, Weights("weights=f", state, ["c", "a", "b"]), ABC)
    assert "put in order" in told
    assert torch.equal(net.head.fc.bias, state["head.fc.bias"][[1, 2, 0]])
    assert torch.equal(net.head.fc.weight, state["head.fc.weight"][[1, 2, 0]])


def test_a_head_of_as_many_other_classes_stays_new() -> None:
    net, state = network(), of_encoder()
    told = start_from(net, Weights("weights=f", state, ["x", "y", "z"]), ABC)
    assert "new: head.fc.weight, head.fc.bias; the classes there have other names" in told
    assert not torch.equal(net.head.fc.weight, state["head.fc.weight"])


def test_an_encoder_s_weights_leave_aggregators_and_sound_new() -> None:
    net = network(lstm=True, rgb=encoder(), audio=LogMelCNN(channels=(4, 4)))
    state = of_encoder()
    told = start_from(net, Weights("weights=f", state))
    assert "new: encoders.audio, aggregators.rgb, aggregators.audio, head.fc.weight ..." in told
    assert told.startswith("18 of 40 tensors")  # half a head is none
    name = "blocks.0.weight"
    assert torch.equal(net.encoders["rgb"].state_dict()[name], state[f"encoder.{name}"])


def test_a_stream_of_other_channels_gets_the_mean_over_colours() -> None:
    net, state = network(rgb=encoder(), flow=encoder(2)), of_encoder()
    told = start_from(net, Weights("weights=f", state))
    assert "flow: mean over channels in blocks.0.weight" in told
    weight, flow = state["encoder.blocks.0.weight"], net.encoders["flow"].blocks[0].weight
    for channel in range(2):
        torch.testing.assert_close(flow[:, channel].detach(), weight.mean(dim=1))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("encoder.blocks.4.weight"), "1 missing: blocks.4.weight"),
        (lambda s: s.update({"encoder.x": torch.ones(1)}), "1 unexpected: x"),
        (
            lambda s: s.update({"encoder.blocks.4.weight": torch.ones(6, 4, 3, 3, 3)}),
            r"1 of another shape: blocks.4.weight \(6, 4, 3, 3, 3\) for \(4, 4, 3, 3, 3\)",
        ),
    ],
)
def test_what_does_not_fit_is_named(change, message: str) -> None:
    net, state = network(), of_encoder()
    change(state)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    with pytest.raises(UserError, match=f"weights=f.*of another network .{message}"):
        start_from(net, Weights("weights=f", state))
    assert all(torch.equal(v, before[n]) for n, v in net.state_dict().items())


def test_a_whole_network_s_weights_must_fit_but_for_the_head() -> None:
    whole = network(lstm=True).state_dict()
    told = start_from(network(7, lstm=True), Weights("init_from=r", whole))
    assert "new: head.fc.weight, head.fc.bias; 3 classes there, 7 here" in told
    with pytest.raises(UserError, match=r"unexpected: aggregators\.rgb\.lstm\.weight_ih_l0"):
        start_from(network(), Weights("init_from=r", whole))
    with pytest.raises(UserError, match=r"\d+ missing: encoders\.flow"):
        start_from(network(lstm=True, rgb=encoder(), flow=encoder(2)), Weights("i=r", whole))


def test_where_logits_are_fused_every_stream_has_the_head() -> None:
    net, state = network(rgb=encoder(), flow=encoder(2)), of_encoder()
    net.head = torch.nn.ModuleDict({"rgb": Linear(8, 3), "flow": Linear(8, 3)})
    start_from(net, Weights("weights=f", state, ["c", "a", "b"]), ABC)
    for stream in ("rgb", "flow"):
        assert torch.equal(net.head[stream].fc.bias, state["head.fc.bias"][[1, 2, 0]])
    whole = {name: torch.randn(v.shape) for name, v in net.state_dict().items()}
    start_from(net, Weights("init_from=r", whole, ["c", "a", "b"]), ABC)
    for stream in ("rgb", "flow"):
        assert torch.equal(net.head[stream].fc.bias, whole[f"head.{stream}.fc.bias"][[1, 2, 0]])


def test_a_weights_file_keeps_what_it_says_and_notices_damage(tmp_path: Path) -> None:
    path, state = tmp_path / "w.safetensors", of_encoder()
    about = {"preset": "x", "classes": ABC, "num_classes": 3, "input": {"fps": None}, "none": None}
    weights_file.write(path, state, about)
    assert [p.name for p in tmp_path.iterdir()] == ["w.safetensors"]
    again, told = weights_file.read(path)
    assert told["classes"] == ABC
    assert told["input"] == {"fps": None}
    assert "none" not in told
    assert all(torch.equal(again[name], state[name]) for name in state)
    assert read_weights(str(path)).classes == ABC
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match="do not match their checksum"):
        read_weights(str(path))
    path.write_bytes(content[:-10])
    with pytest.raises(UserError, match="cannot be read as safetensors"):
        read_weights(str(path))


def test_tensors_that_share_memory_are_written(tmp_path: Path) -> None:
    tied = torch.randn(4, 4)
    weights_file.write(tmp_path / "w.safetensors", {"a": tied, "b": tied.t()}, {})
    again, _ = weights_file.read(tmp_path / "w.safetensors")
    assert torch.equal(again["b"], tied.t())
