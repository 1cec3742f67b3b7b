"""Heads: what every one owes the chain, and their definitions."""

from __future__ import annotations

import pytest
import torch
from omegaconf import OmegaConf

from stfw.build import Build
from stfw.config import conf_dir, groups
from stfw.models.aggregators.mean import Mean
from stfw.models.heads.dense import Dense
from stfw.models.heads.linear import Linear
from stfw.models.heads.mlp import Mlp

HEADS = groups(conf_dir())["head"]


@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize("num_classes", [5, 0])
def test_every_head_gives_logits_that_teach_it(name: str, num_classes: int) -> None:
    node = OmegaConf.load(conf_dir() / "head" / f"{name}.yaml")
    head = Build()(node, in_features=6, num_classes=num_classes)
    given = (torch.randn(3, 6),)
    if getattr(head, "reads_steps", False):
        given = (torch.randn(3, 4, 6), torch.ones(3, 4))  # type: ignore[assignment]
    logits_BK = head(*given)
    assert logits_BK.shape[0] == 3
    assert num_classes in (0, logits_BK.shape[1])
    if list(head.parameters()):
        logits_BK.square().sum().backward()
        assert all(p.grad is not None and p.grad.any() for p in head.parameters())


def test_mlp_has_the_layers_asked_for() -> None:
    head = Mlp(6, 3, hidden_sizes=[7, 8])
    assert [tuple(p.shape) for p in head.parameters() if p.ndim == 2] == [(7, 6), (8, 7), (3, 8)]
    assert Mlp(6, 3, hidden_sizes=[])(torch.randn(2, 6)).shape == (2, 3)


def test_dense_logits_are_those_of_the_mean_feature() -> None:
    head, tokens_BSD = Dense(6, 3), torch.randn(2, 4, 6)
    weights_BS = torch.tensor([[1.0, 2, 3, 0], [1, 1, 1, 1]])
    linear = Linear(6, 3)
    linear.load_state_dict(head.state_dict())  # the same names: weights are interchangeable
    expected_BK = linear(Mean(6)(tokens_BSD, weights_BS))
    assert torch.allclose(head(tokens_BSD, weights_BS), expected_BK, atol=1e-6)


def test_dense_probabilities_are_averaged_in_evaluation_alone() -> None:
    head, tokens_BSD = Dense(6, 3, average="probabilities"), torch.randn(2, 4, 6)
    weights_BS = torch.tensor([[1.0, 2, 3, 0], [1, 1, 1, 1]])
    in_training_BK = head(tokens_BSD, weights_BS)
    assert torch.allclose(in_training_BK[1], head.fc(tokens_BSD[1]).mean(dim=0), atol=1e-6)
    shares_BS1 = (weights_BS / weights_BS.sum(dim=1, keepdim=True))[..., None]
    expected_BK = (head.fc(tokens_BSD).softmax(dim=2) * shares_BS1).sum(dim=1)
    found_BK = head.eval()(tokens_BSD, weights_BS)
    assert torch.allclose(found_BK.softmax(dim=1), expected_BK, atol=1e-6)
    assert torch.allclose(found_BK.exp(), expected_BK, atol=1e-6)
