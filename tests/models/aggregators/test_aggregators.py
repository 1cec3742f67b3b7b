"""Aggregators: their definitions."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as nnf
from torch import Tensor, nn

from stfw.models.aggregators.attention import Attention
from stfw.models.aggregators.concat import Concat
from stfw.models.aggregators.gru import Gru
from stfw.models.aggregators.lstm import Lstm
from stfw.models.aggregators.max import Max
from stfw.models.aggregators.mean import Mean
from stfw.models.aggregators.netvlad import NetVlad
from stfw.models.aggregators.none import NoAggregator
from stfw.models.aggregators.self_attention import SelfAttention, sinusoids
from stfw.models.aggregators.temporal_conv import TemporalConv
from stfw.models.aggregators.weighted_mean import WeightedMean
from stfw.types import UserError


def test_mean_and_max_by_hand() -> None:
    tokens_BSD = torch.tensor([[[1.0, 5.0], [3.0, 2.0], [100.0, 100.0]]])
    weights_BS = torch.tensor([[1.0, 3.0, 0.0]])
    assert Mean(2)(tokens_BSD, weights_BS).tolist() == [[2.5, 2.75]]
    assert Max(2)(tokens_BSD, weights_BS).tolist() == [[3.0, 5.0]]


def test_lstm_feels_the_order_of_time_where_the_mean_does_not() -> None:
    tokens_BSD, weights_BS = torch.randn(2, 8, 6), torch.ones(2, 8)
    backwards = tokens_BSD.flip(1)
    lstm = Lstm(6, 5, output="last")
    assert not torch.allclose(lstm(tokens_BSD, weights_BS), lstm(backwards, weights_BS), atol=1e-3)
    assert torch.allclose(Mean(6)(tokens_BSD, weights_BS), Mean(6)(backwards, weights_BS))


def test_lstm_last_is_torch_s_final_state() -> None:
    lstm, tokens_BSD = Lstm(6, 5, output="last"), torch.randn(2, 8, 6)
    _, (last_LBD, _) = lstm.lstm(tokens_BSD)
    assert torch.allclose(lstm(tokens_BSD, torch.ones(2, 8)), last_LBD[-1], atol=1e-6)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_gru_states_are_torch_s(bidirectional: bool) -> None:
    gru, tokens_BSD = Gru(6, 5, bidirectional=bidirectional), torch.randn(2, 8, 6)
    states_BSD, last_LBD = gru.gru(tokens_BSD)
    assert torch.allclose(gru(tokens_BSD, torch.ones(2, 8)), states_BSD.mean(dim=1), atol=1e-6)
    gru.output = "last"
    expected_BD = torch.cat(list(last_LBD), dim=1)
    assert torch.allclose(gru(tokens_BSD, torch.ones(2, 8)), expected_BD, atol=1e-6)


@pytest.mark.parametrize("kind", [Lstm, Gru])
def test_the_mean_of_the_real_steps_stands_beside_the_state(kind: type[Lstm] | type[Gru]) -> None:
    both = kind(3, 5, with_mean=True)
    alone = kind(3, 5)
    alone.load_state_dict(both.state_dict())
    tokens_BSD = torch.randn(1, 4, 3)
    tokens_BSD[0, 1] = float("nan")  # padding
    weights_BS = torch.tensor([[1.0, 0, 2, 1]])
    found_BD = both(tokens_BSD, weights_BS)
    a, _, b, c = tokens_BSD[0]
    assert both.num_features == 5 + 3
    assert torch.equal(found_BD[:, :5], alone(tokens_BSD, weights_BS))
    assert torch.allclose(found_BD[0, 5:], (a + 2 * b + c) / 4)


def test_concat_keeps_the_order_of_time_and_names_both_numbers() -> None:
    tokens_BSD = torch.arange(6.0).reshape(1, 3, 2)
    concat = Concat(2, num_steps=2)
    assert concat(tokens_BSD, torch.tensor([[1.0, 0, 1]])).tolist() == [[0, 1, 4, 5]]
    with pytest.raises(UserError, match="num_steps=2 steps, and a video has 3;"):
        concat(tokens_BSD, torch.ones(1, 3))
    with pytest.raises(UserError, match="num_steps=2 steps, and a video has 1;"):
        concat(tokens_BSD[:, :2], torch.tensor([[1.0, 0]]))
    with pytest.raises(UserError, match="a video has 3;"):  # a run counts operations first
        concat(tokens_BSD.to("meta"), torch.ones(1, 3, device="meta"))


def test_none_takes_one_step_alone() -> None:
    tokens_BSD = torch.randn(2, 3, 4)
    none = NoAggregator(4)
    weights_BS = torch.tensor([[0.0, 0, 1], [1, 0, 0]])
    assert torch.equal(none(tokens_BSD, weights_BS), tokens_BSD[[0, 1], [2, 0]])
    assert torch.equal(none(tokens_BSD[:, :1], torch.ones(2, 1)), tokens_BSD[:, 0])
    with pytest.raises(UserError, match="takes 1 step, and a video has 3"):
        none(tokens_BSD, torch.ones(2, 3))


@pytest.mark.parametrize(
    "aggregator",
    [WeightedMean(3), Attention(3), Attention(3, "dot")],
    ids=lambda a: f"{type(a).__name__}",
)
def test_learned_weights_begin_from_the_sampler_s_and_can_pick_a_step(
    aggregator: WeightedMean | Attention,
) -> None:
    tokens_BSD, weights_BS = torch.eye(3)[None], torch.tensor([[0.5, 0.25, 0.25]])
    alike_BSD = torch.ones(1, 3, 3)  # nothing to choose by: the sampler's weights alone
    assert torch.allclose(aggregator.attention(alike_BSD, weights_BS), weights_BS, atol=1e-6)
    with torch.no_grad():
        if isinstance(aggregator, WeightedMean):
            aggregator.score.weight.copy_(torch.tensor([[-30.0, 30, -30]]))
        else:  # hidden unit 0 sees the second feature alone
            aggregator.key.weight.zero_()
            aggregator.key.weight[0, 1] = 30
            aggregator.query[0] = 30
    assert torch.allclose(aggregator(tokens_BSD, weights_BS), tokens_BSD[:, 1], atol=1e-4)


def test_additive_and_dot_attention_by_hand() -> None:
    tokens_BSD, weights_BS = torch.randn(2, 5, 3), torch.ones(2, 5)
    additive, dot = Attention(3, "additive", 4), Attention(3, "dot", 4)
    scores_BS = torch.tanh(tokens_BSD @ additive.key.weight.T + additive.key.bias) @ additive.query
    expected_BD = (scores_BS.softmax(1)[..., None] * tokens_BSD).sum(1)
    assert torch.allclose(additive(tokens_BSD, weights_BS), expected_BD, atol=1e-6)
    query_B1D = dot.query.expand(2, 1, 4)
    expected_BD = nn.functional.scaled_dot_product_attention(
        query_B1D, tokens_BSD @ dot.key.weight.T, tokens_BSD
    )[:, 0]
    assert torch.allclose(dot(tokens_BSD, weights_BS), expected_BD, atol=1e-6)


def test_order_matters_to_positions_alone() -> None:
    tokens_BSD, weights_BS = torch.randn(2, 6, 8), torch.ones(2, 6)
    for positions, feels in (("sinusoidal", True), ("learned", True), ("none", False)):
        network = SelfAttention(8, 16, positions=positions).eval()  # type: ignore[arg-type]
        there_BD = network(tokens_BSD, weights_BS)
        back_BD = network(tokens_BSD.flip(1), weights_BS)
        assert torch.allclose(there_BD, back_BD, atol=1e-5) is not feels, positions


def test_self_attention_s_blocks_are_torch_s() -> None:
    network = SelfAttention(8, 8, num_layers=1, num_heads=2, positions="none", output="mean")
    layer = nn.TransformerEncoderLayer(
        8, 2, 32, 0.0, "gelu", batch_first=True, norm_first=True
    ).eval()
    block = network.eval().blocks[0]
    with torch.no_grad():
        for mine, other in (
            (block.qkv, (layer.self_attn.in_proj_weight, layer.self_attn.in_proj_bias)),
            (block.out, (layer.self_attn.out_proj.weight, layer.self_attn.out_proj.bias)),
            (block.mlp[0], (layer.linear1.weight, layer.linear1.bias)),
            (block.mlp[2], (layer.linear2.weight, layer.linear2.bias)),
        ):
            mine.weight.copy_(other[0])
            mine.bias.copy_(other[1])
    tokens_BSD, weights_BS = torch.randn(2, 5, 8), torch.ones(2, 5)
    expected_BD = network.norm(layer(network.project(tokens_BSD))).mean(dim=1)
    assert torch.allclose(network(tokens_BSD, weights_BS), expected_BD, atol=1e-5)


def test_a_step_counted_twice_weighs_twice_in_self_attention() -> None:
    network = SelfAttention(4, 8, positions="none").eval()
    tokens_BSD = torch.randn(1, 3, 4)
    twice_BSD = torch.cat([tokens_BSD, tokens_BSD[:, :1]], dim=1)
    weights_BS = torch.tensor([[2.0, 1, 1]])
    assert torch.allclose(
        network(tokens_BSD, weights_BS), network(twice_BSD, torch.ones(1, 4)), atol=1e-5
    )


def test_sinusoids_begin_with_sine_and_cosine_of_the_position() -> None:
    S = torch.arange(7.0)
    table_SD = sinusoids(7, 5)
    assert table_SD.shape == (7, 5)
    assert torch.allclose(table_SD[:, 0], S.sin())
    assert torch.allclose(table_SD[:, 1], S.cos())
    assert torch.allclose(table_SD[:, 2], (S / 10000 ** (2 / 5)).sin())


def test_too_many_steps_for_the_learned_positions_are_told() -> None:
    network = SelfAttention(4, 8, positions="learned", max_steps=3)
    with pytest.raises(UserError, match=r"4 steps, and aggregator\.max_steps=3"):
        network(torch.randn(1, 4, 4), torch.ones(1, 4))


def test_temporal_conv_sees_neighbours_alone() -> None:
    network = TemporalConv(3, [3], kernel_size=3)
    tokens_BSD, weights_BS = torch.randn(1, 5, 3), torch.ones(1, 5)
    plain_BSD = network.layers[0](tokens_BSD.transpose(1, 2)).relu().mean(dim=2)
    assert torch.allclose(network(tokens_BSD, weights_BS), plain_BSD, atol=1e-6)
    with pytest.raises(UserError, match="kernel_size=2 must be odd"):
        TemporalConv(3, kernel_size=2)


def test_netvlad_by_its_definition() -> None:
    network, tokens_BSD = NetVlad(4, num_clusters=3), torch.randn(2, 5, 4)
    feature_BD = network(tokens_BSD, torch.ones(2, 5))
    for tokens_SD, found_D in zip(tokens_BSD, feature_BD, strict=True):
        unit_SD = nn.functional.normalize(tokens_SD, dim=1)
        shares_SK = network.assign(unit_SD).softmax(dim=1)
        by_centre = []
        for k, centre_D in enumerate(network.centres_KD):
            rest_D = sum(
                a * (x_D - centre_D) for a, x_D in zip(shares_SK[:, k], unit_SD, strict=True)
            )
            by_centre.append(rest_D / rest_D.norm())
        expected_D = torch.cat(by_centre)
        assert torch.allclose(found_D, expected_D / expected_D.norm(), atol=1e-5)


def test_netvlad_assigns_a_step_to_its_nearest_centre_at_first() -> None:
    network = NetVlad(4, num_clusters=3, alpha=100.0)
    near_SD = nn.functional.normalize(network.centres_KD + 0.01 * torch.randn(3, 4), dim=1)
    assert network.assign(near_SD).argmax(dim=1).tolist() == [0, 1, 2]


@pytest.mark.parametrize("mode", ["additive", "dot"])
def test_attention_finds_the_informative_steps(mode: str) -> None:
    """3 of 16 steps carry the class and a mark; the others carry another class at random."""
    torch.manual_seed(0)
    classes, mark = torch.randn(8, 64), torch.randn(64)

    def draw(num_videos: int) -> tuple[Tensor, Tensor, Tensor]:
        labels_B = torch.randint(8, (num_videos,))
        tells_BS = torch.rand(num_videos, 16).argsort(dim=1) < 3
        shown_BS = torch.where(tells_BS, labels_B[:, None], torch.randint(8, (num_videos, 16)))
        return classes[shown_BS] + tells_BS[..., None] * mark, labels_B, tells_BS

    attention, head = Attention(64, mode=mode, hidden_size=32), nn.Linear(64, 8)  # type: ignore[arg-type]
    optimizer = torch.optim.Adam([*attention.parameters(), *head.parameters()], lr=0.02)
    for _ in range(400):
        tokens_BSD, labels_B, _ = draw(64)
        loss = nnf.cross_entropy(head(attention(tokens_BSD, torch.ones(64, 16))), labels_B)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    tokens_BSD, labels_B, tells_BS = draw(256)
    given_BS = attention.attention(tokens_BSD, torch.ones(256, 16))
    assert (given_BS * tells_BS).sum(dim=1).mean() > 0.8  # 3 of 16 are 0.19 of a mean
    hits = head(attention(tokens_BSD, torch.ones(256, 16))).argmax(dim=1) == labels_B
    assert hits.float().mean() > 0.95
