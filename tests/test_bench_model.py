"""The networks' measurement: what is timed against the chain computes the same."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch

from tests.tool import load_tool


@pytest.fixture(scope="module")
def bench() -> Any:
    return load_tool("bench_model")


@pytest.mark.parametrize("preset", ["two_stream", "tsn", "r3d_18"])
@torch.no_grad()
def test_the_parts_by_hand_give_the_chain_s_logits(bench: Any, preset: str) -> None:
    network = bench.ours(preset).eval()
    whole = bench.ROWS[preset]
    row = dataclasses.replace(whole, clip=(whole.clip[0], 64, 64))
    given = bench.inputs(row, 2, network.stacked, torch.device("cpu"))
    expected_BK = network(given["ours"])[:, 0]
    assert expected_BK.std() > 1e-4
    found_BK = bench.Direct(network).eval()(given["direct"])
    torch.testing.assert_close(found_BK, expected_BK)


@torch.no_grad()
def test_tsn_s_reference_is_the_same_network(bench: Any) -> None:
    network, reference = bench.ours("tsn").eval(), bench.Frames("resnet50").eval()
    encoder = network.encoders["rgb"].net.state_dict()
    head = {f"fc.{name}": value for name, value in network.head.fc.state_dict().items()}
    reference.net.load_state_dict(encoder | head)
    row = dataclasses.replace(bench.ROWS["tsn"], clip=(8, 64, 64))
    given = bench.inputs(row, 1, network.stacked, torch.device("cpu"))
    found_BK = reference(given["reference"])
    torch.testing.assert_close(found_BK, network(given["ours"])[:, 0])


def test_a_missed_target_is_named(bench: Any) -> None:
    assert bench.judge("tsn", {"direct": 1.02, "reference": 1.05}) == []
    assert bench.judge("tsn", {"direct": 1.03, "reference": 1.06}) == [
        "tsn against direct: 1.030 > 1.02",
        "tsn against reference: 1.060 > 1.05",
    ]
