"""Fusions: their definitions."""

from __future__ import annotations

import functools

import pytest
import torch
from torch import nn

from stfw.models.fusions.bilinear import Bilinear
from stfw.models.fusions.concat import Concat
from stfw.models.fusions.conv import Conv
from stfw.models.fusions.cross_attention import CrossAttention
from stfw.models.fusions.early import Early
from stfw.models.fusions.gated import Gated
from stfw.models.fusions.hierarchical import Hierarchical
from stfw.models.fusions.late_learned import LateLearned
from stfw.models.fusions.late_mean import LateMean
from stfw.models.fusions.late_weighted import LateWeighted
from stfw.models.fusions.presence import drop_streams
from stfw.models.fusions.sum import Sum
from stfw.types import UserError

ALL = torch.tensor([True, True])
SECOND = {"a": torch.tensor([True, True]), "b": torch.tensor([True, False])}


def two(a: int = 3, b: int = 3) -> dict[str, torch.Tensor]:
    return {"a": torch.randn(2, a), "b": torch.randn(2, b)}


def test_sum_adds_and_projects_only_where_it_must() -> None:
    x = two()
    assert not list(Sum({"a": 3, "b": 3}).parameters())
    assert torch.equal(Sum({"a": 3, "b": 3})(x, {}), x["a"] + x["b"])
    assert torch.equal(Sum({"a": 3, "b": 3})(x, SECOND)[1], x["a"][1])
    assert Sum({"a": 3, "b": 5})(two(3, 5), {}).shape == (2, 5)


def test_gates_are_shares_of_the_streams_that_are_there() -> None:
    gated = Gated({"a": 3, "b": 3}, hidden_size=4)
    gates_BJ1 = gated.gates(two(), SECOND)
    assert torch.allclose(gates_BJ1.sum(dim=1), torch.ones(2, 1))
    assert gates_BJ1[1].flatten().tolist() == [1, 0]
    assert 0 < gates_BJ1[0, 0] < 1
    x = two()
    expected_D = gated.project["a"](x["a"][1]).tanh()
    assert torch.allclose(gated(x, SECOND)[1], expected_D, atol=1e-6)


def test_bilinear_with_a_linear_head_is_a_bilinear_form() -> None:
    """Where tanh is linear, z = sum_r w_r (u_r . a)(v_r . b): additive in each stream."""
    bilinear = Bilinear({"a": 3, "b": 3}, hidden_size=8)
    for layer in bilinear.project.values():
        nn.init.zeros_(layer.bias)  # type: ignore[arg-type, union-attr]
    x = {name: 1e-3 * value for name, value in two().items()}
    whole = bilinear(x, {})
    twice = bilinear({"a": 2 * x["a"], "b": x["b"]}, {})
    both = bilinear({"a": 2 * x["a"], "b": 2 * x["b"]}, {})
    assert torch.allclose(twice, 2 * whole, rtol=1e-3)
    assert torch.allclose(both, 4 * whole, rtol=1e-3)


def test_cross_attention_lets_one_stream_change_what_another_gives() -> None:
    fusion = CrossAttention({"a": 3, "b": 3}, hidden_size=8, num_heads=2).eval()
    tokens = []
    fusion.norm2.register_forward_pre_hook(lambda _, given: tokens.append(given[0]))
    x = two()
    fusion(x, {})
    fusion({"a": x["a"], "b": x["b"] + 1}, {})
    plain_BD = fusion.project["b"](x["b"]), fusion.project["b"](x["b"] + 1)
    # more than its own token in the mean: the other one looks at it
    assert not torch.allclose(tokens[1] - tokens[0], (plain_BD[1] - plain_BD[0]) / 2, atol=1e-3)
    with pytest.raises(UserError, match="num_heads=3 does not divide"):
        CrossAttention({"a": 3}, hidden_size=8, num_heads=3)


@pytest.mark.parametrize("kernel_size", [(1, 1, 1), (3, 3, 3)])
def test_conv_begins_as_the_sum_of_the_maps(kernel_size: tuple[int, int, int]) -> None:
    conv = Conv({"a": 4, "b": 4}, kernel_size=kernel_size)
    maps = {name: torch.rand(2, 4, 3, 5, 5) for name in "ab"}
    if kernel_size == (1, 1, 1):
        assert torch.allclose(conv(maps, {}), maps["a"] + maps["b"], atol=1e-6)
        assert torch.allclose(conv(maps, SECOND)[1], maps["a"][1], atol=1e-6)
    t, y, x = (size // 2 for size in kernel_size)
    assert torch.equal(conv.conv.weight[:, :, t, y, x], torch.eye(4).repeat(1, 2))


def test_conv_and_early_name_the_sizes_that_differ() -> None:
    other = {"a": torch.rand(2, 4, 3, 5, 5), "b": torch.rand(2, 4, 2, 5, 5)}
    for fusion in (Conv({"a": 4, "b": 4}), Early({"a": 4, "b": 4})):
        with pytest.raises(UserError, match="a 3x5x5, b 2x5x5"):
            fusion(other, {})
    with pytest.raises(UserError, match="must be odd"):
        Conv({"a": 4}, kernel_size=(3, 2, 3))


def test_early_puts_channels_side_by_side() -> None:
    x = {"a": torch.rand(2, 3, 1, 4, 4), "b": torch.rand(2, 2, 1, 4, 4)}
    joined = Early({"a": 3, "b": 2})(x, SECOND)
    assert torch.equal(joined[:, :3], x["a"])
    assert torch.equal(joined[0, 3:], x["b"][0])
    assert not joined[1, 3:].any()
    assert Early({"a": 3})(x, {}) is x["a"]  # no copy


def test_late_fusions_average_over_the_streams_that_are_there() -> None:
    x = two()
    mean = LateMean({"a": 3, "b": 3})
    assert torch.allclose(mean(x, {}), (x["a"] + x["b"]) / 2)
    assert torch.allclose(mean(x, SECOND)[1], x["a"][1])
    weighted = LateWeighted({"a": 3, "b": 3}, {"b": 3})
    assert torch.allclose(weighted(x, {}), (x["a"] + 3 * x["b"]) / 4)
    assert torch.allclose(weighted(x, SECOND)[1], x["a"][1])
    learned = LateLearned({"a": 3, "b": 3}, per_class=True)
    assert torch.allclose(learned(x, {}), mean(x, {}))
    with torch.no_grad():
        learned.scores_JK[1] = torch.tensor([0.0, 9, -9])
    assert torch.allclose(learned(x, {})[:, 1:], torch.stack([x["b"][:, 1], x["a"][:, 2]], 1), 0.01)


def test_mean_probabilities_come_back_from_softmax() -> None:
    x = two()
    fused = LateWeighted({"a": 3, "b": 3}, {"a": 1, "b": 1.5}, "probabilities")(x, SECOND)
    expected_K = (x["a"][0].softmax(0) + 1.5 * x["b"][0].softmax(0)) / 2.5
    assert torch.allclose(fused.softmax(dim=1)[0], expected_K)
    assert torch.allclose(fused.softmax(dim=1)[1], x["a"][1].softmax(0))


def test_wrong_weights_are_named() -> None:
    with pytest.raises(UserError, match=r"fusion\.weights\.flo: .* did you mean 'flow'"):
        LateWeighted({"rgb": 3, "flow": 3}, {"flo": 1.0})
    with pytest.raises(UserError, match=r"fusion\.weights\.rgb=0 must be above 0"):
        LateWeighted({"rgb": 3, "flow": 3}, {"rgb": 0})


def test_hierarchical_is_one_fusion_in_another() -> None:
    widths = {"a": 2, "b": 3, "c": 4}
    x = {name: torch.randn(2, width) for name, width in widths.items()}
    fusion = Hierarchical(widths, functools.partial(Gated, hidden_size=5), Concat)
    assert fusion.num_features == 5 + 4
    expected = torch.cat([fusion.first({"a": x["a"], "b": x["b"]}, {}), x["c"]], dim=1)
    assert torch.equal(fusion(x, {}), expected)
    none = {name: torch.tensor([True, False]) for name in "ab"}
    joined = fusion(x, none)  # the first result is missing where all of its streams are
    assert not joined[1, :5].any()
    assert torch.equal(joined[0], expected[0])
    other = Hierarchical(widths, Concat, Sum, streams=["c", "a"])
    assert other.second.project["joined"].in_features == 6  # type: ignore[index, union-attr]


def weighted_sum(fusion: nn.Module) -> dict[str, torch.Tensor]:
    """Each part's layer of a Sum, set to its own diagonal and no bias: part -> diagonal."""
    diagonals = {}
    for name, layer in fusion.project.items():  # type: ignore[operator, union-attr]
        diagonals[name] = torch.rand(3) + 0.5
        layer.weight.data.copy_(diagonals[name].diag())
        layer.bias.data.zero_()
    return diagonals


def test_hierarchical_joins_to_any_depth() -> None:
    widths = dict.fromkeys("abcd", 3)
    make = functools.partial(Sum, hidden_size=3)
    fusion = Hierarchical(widths, make, make, streams=[["a", "b"], "c"])
    ab = weighted_sum(fusion.first.inner["a+b"])  # type: ignore[union-attr, index, arg-type]
    abc, abcd = weighted_sum(fusion.first.outer), weighted_sum(fusion.second)  # type: ignore[arg-type]
    x = {name: torch.randn(2, 3) for name in widths}
    joined = abc["a+b"] * (ab["a"] * x["a"] + ab["b"] * x["b"]) + abc["c"] * x["c"]
    expected = abcd["joined"] * joined + abcd["d"] * x["d"]
    assert torch.allclose(fusion(x, {}), expected, atol=1e-6)
    # a and b are missing in the second video: what they are joined to is missing too
    flags = {name: torch.tensor([True, False]) for name in "ab"}
    without = abcd["joined"] * abc["c"] * x["c"] + abcd["d"] * x["d"]
    assert torch.allclose(fusion(x, flags)[0], expected[0], atol=1e-6)
    assert torch.allclose(fusion(x, flags)[1], without[1], atol=1e-6)


def test_hierarchical_joins_pairs_of_pairs() -> None:
    x = {name: torch.randn(2, 1) for name in "abcd"}
    fusion = Hierarchical(
        dict.fromkeys("abcd", 1), Concat, Concat, streams=[["d", "a"], ["c", "b"]]
    )
    assert torch.equal(fusion(x, {}), torch.cat([x[name] for name in "dacb"], dim=1))


def test_hierarchical_refuses_what_it_cannot_join() -> None:
    with pytest.raises(UserError, match=r"fusion\.streams: 'a' stands there twice"):
        Hierarchical({"a": 2, "b": 2}, Concat, Concat, streams=[["a", "b"], "a"])
    with pytest.raises(UserError, match=r"fusion\.streams: a list in it is empty"):
        Hierarchical({"a": 2, "b": 2}, Concat, Concat, streams=[[], "a"])
    with pytest.raises(UserError, match="no stream 'fow'; did you mean 'flow'"):
        Hierarchical({"rgb": 2, "flow": 2}, Concat, Concat, streams=["fow"])
    for what in (1, None):
        with pytest.raises(UserError, match=rf"fusion\.streams: {what} is neither a stream's name"):
            Hierarchical({"a": 2, "b": 2}, Concat, Concat, streams=[what, "a"])
    with pytest.raises(UserError, match=r"fusion\.streams: a list in it is empty"):
        Hierarchical({"a": 2, "b": 2}, Concat, Concat, streams=[])
    with pytest.raises(UserError, match=r"fusion\.first: no fusion is chosen"):
        Hierarchical({"a": 2, "b": 2}, {}, Concat)  # type: ignore[arg-type]
    with pytest.raises(UserError, match=r"fusion\.second: LateMean joins logits"):
        Hierarchical({"rgb": 2, "flow": 2}, Concat, LateMean)


def test_dropped_streams_are_as_many_as_asked_and_never_all() -> None:
    B = 4000
    flags = {"b": torch.arange(B) % 2 == 0}
    torch.manual_seed(3)
    kept = drop_streams(["a", "b", "c"], flags, 0.3, torch.zeros(B))
    torch.manual_seed(3)
    again = drop_streams(["a", "b", "c"], flags, 0.3, torch.zeros(B))
    assert all(torch.equal(kept[name], again[name]) for name in kept)
    assert torch.stack(list(kept.values())).any(dim=0).all()
    assert not kept["b"][1::2].any()
    share = 1 - kept["a"][::2].float().mean().item()  # all three there: dropped, less all at once
    assert abs(share - (0.3 - 0.3**3 / 3)) < 0.03
    certain = drop_streams(["a", "b", "c"], flags, 1.0, torch.zeros(B))
    assert torch.equal(torch.stack(list(certain.values())).sum(dim=0), torch.ones(B).long())
