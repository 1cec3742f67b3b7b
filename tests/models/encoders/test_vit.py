"""What the plain vision transformers share."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from stfw.models.complexity import gmacs
from stfw.models.encoders._vit import Attention, Block, resize_positions, sinusoid, token_grid
from stfw.types import UserError


def test_attention_is_the_formula() -> None:
    torch.manual_seed(0)
    attention = Attention(12, 3)
    x_BSD = torch.randn(2, 5, 12)
    q, k, v = attention.qkv(x_BSD).chunk(3, dim=-1)
    heads = []
    for start in (0, 4, 8):  # heads of 4 features, side by side
        part = slice(start, start + 4)
        scores_BSS = q[..., part] @ k[..., part].mT / math.sqrt(4)
        heads.append(scores_BSS.softmax(dim=-1) @ v[..., part])
    expected_BSD = attention.proj(torch.cat(heads, dim=-1))
    assert torch.allclose(attention(x_BSD), expected_BSD, atol=1e-6)


def test_keys_without_a_bias_leave_the_others_theirs() -> None:
    torch.manual_seed(0)
    plain, without = Attention(12, 3), Attention(12, 3, key_bias=False)
    without.load_state_dict(plain.state_dict(), strict=False)
    nn.init.normal_(without.q_bias)
    nn.init.normal_(without.v_bias)
    # a bias of the keys adds the same to all scores of a query: it could be anything
    bias = torch.cat([without.q_bias, torch.randn(12), without.v_bias])
    plain.load_state_dict({**plain.state_dict(), "qkv.bias": bias})
    x_BSD = torch.randn(2, 5, 12)
    assert torch.allclose(plain(x_BSD), without(x_BSD), atol=1e-6)
    assert sum(p.numel() for p in without.parameters()) == 4 * 12 * 12 + 3 * 12


class _OnBatch(nn.Module):
    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block = block

    def forward(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        return self.block(batch["tokens"])


def test_fused_attention_is_counted() -> None:
    S, D = 50, 96
    projections, attention, mlp = 4 * S * D * D, 2 * S * S * D, 8 * S * D * D
    counted = gmacs(_OnBatch(Block(D, 3)), {"tokens": (1, S, D)})
    assert counted * 1e9 == pytest.approx(projections + attention + mlp, rel=1e-9)


def test_sinusoid_begins_with_0_and_1_and_turns_by_one_radian() -> None:
    table_SD = sinusoid(10, 8, torch.device("cpu"))
    assert table_SD[0].tolist() == [0, 1] * 4
    assert table_SD[3, 0] == pytest.approx(math.sin(3))
    assert table_SD[3, 5] == pytest.approx(math.cos(3 / 10000 ** (4 / 8)))


def test_sinusoid_of_an_evaluation_serves_training() -> None:
    sinusoid.cache_clear()
    with torch.inference_mode():
        sinusoid(4, 6, torch.device("cpu"))
    weight = torch.ones(4, 6, requires_grad=True)
    (weight * sinusoid(4, 6, torch.device("cpu"))).sum().backward()
    assert weight.grad is not None


def test_positions_are_resized_along_their_own_axes() -> None:
    rows_cols_SD = torch.tensor([[r, c] for r in range(3) for c in range(5)], dtype=torch.float32)
    assert resize_positions(rows_cols_SD, (1, 3, 5), (1, 3, 5)) is rows_cols_SD
    larger_SD = resize_positions(rows_cols_SD, (1, 3, 5), (1, 6, 5)).reshape(6, 5, 2)
    assert torch.equal(larger_SD[:, :, 1], torch.arange(5.0).expand(6, 5))
    assert (larger_SD[:, 0, 0].diff() >= 0).all()
    assert larger_SD[0, 0, 0] == 0
    assert larger_SD[5, 0, 0] == 2


def test_a_clip_that_does_not_divide_is_named_with_the_way_out() -> None:
    assert token_grid((16, 32, 48), (2, 16, 16)) == (8, 2, 3)
    with pytest.raises(UserError, match=r"16x30x32.*2x16x16.*clip\.crop_size"):
        token_grid((16, 30, 32), (2, 16, 16))
    with pytest.raises(UserError, match="1x32x32"):
        token_grid((1, 32, 32), (2, 16, 16))


def test_a_width_that_does_not_divide_into_heads_is_named() -> None:
    with pytest.raises(UserError, match=r"encoder\.width=100.*encoder\.num_heads=12"):
        Attention(100, 12)


def test_drop_path_skips_whole_branches_in_training() -> None:
    torch.manual_seed(0)
    block, x_BSD = Block(12, 3, drop_path=0.5), torch.randn(64, 5, 12)
    unchanged_B = (block(x_BSD) == x_BSD).all(dim=(1, 2))
    assert 0.1 < unchanged_B.float().mean() < 0.45  # both branches: a quarter
    assert not (block.eval()(x_BSD) == x_BSD).all(dim=(1, 2)).any()
