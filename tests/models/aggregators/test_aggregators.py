"""Aggregators: their definitions, and that steps of weight 0 are not there."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from stfw.models.aggregators.lstm import Lstm
from stfw.models.aggregators.max import Max
from stfw.models.aggregators.mean import Mean

ALL = [
    Mean(6),
    Max(6),
    Lstm(6, 5),
    Lstm(6, 5, output="last"),
    Lstm(6, 5, num_layers=2, bidirectional=True, output="last"),
]


@pytest.mark.parametrize("aggregator", ALL, ids=lambda a: f"{type(a).__name__}{a.num_features}")
def test_steps_of_weight_zero_change_nothing(aggregator: nn.Module) -> None:
    aggregator.eval()
    tokens_BSD = torch.randn(3, 4, 6)
    plain = aggregator(tokens_BSD, torch.ones(3, 4))
    padded_BSD = torch.cat([tokens_BSD[:, :2], torch.randn(3, 3, 6), tokens_BSD[:, 2:]], dim=1)
    weights_BS = torch.tensor([1.0, 1, 0, 0, 0, 1, 1]).expand(3, 7)
    assert plain.shape == (3, aggregator.num_features)
    assert torch.allclose(plain, aggregator(padded_BSD, weights_BS), atol=1e-6)


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
