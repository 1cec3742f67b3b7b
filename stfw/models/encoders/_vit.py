"""What plain vision transformers share (Dosovitskiy et al. 2021): attention, block, positions."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, linear, scaled_dot_product_attention

from stfw.types import UserError


class Attention(nn.Module):
    """Multi-head self-attention over S, by the fused kernel of the device.

    Args:
        width: D.
        num_heads: heads, each of ``width / num_heads``.
        key_bias: False gives queries and values a bias, but keys none (BEiT, VideoMAE).

    Raises:
        UserError: the width does not divide into the heads.
    """

    def __init__(self, width: int, num_heads: int, key_bias: bool = True) -> None:
        super().__init__()
        if width % num_heads:
            raise UserError(
                f"encoder.width={width} is not a multiple of encoder.num_heads={num_heads}; "
                "published networks have 64 features a head"
            )
        self.num_heads, self.key_bias = num_heads, key_bias
        self.qkv = nn.Linear(width, 3 * width, bias=key_bias)
        if not key_bias:
            self.q_bias = nn.Parameter(torch.zeros(width))
            self.v_bias = nn.Parameter(torch.zeros(width))
        self.proj = nn.Linear(width, width)

    def forward(self, x_BSD: Tensor) -> Tensor:
        B, S, D = x_BSD.shape
        if self.key_bias:
            qkv = self.qkv(x_BSD)
        else:
            bias = torch.cat([self.q_bias, torch.zeros_like(self.q_bias), self.v_bias])
            qkv = linear(x_BSD, self.qkv.weight, bias)
        q, k, v = qkv.reshape(B, S, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
        y = scaled_dot_product_attention(q, k, v)  # B x heads x S x D/heads
        return self.proj(y.transpose(1, 2).reshape(B, S, D))


class Block(nn.Module):
    """Pre-norm transformer block: attention, then two layers of 4 D, each on a residual branch.

    Args:
        width: D.
        num_heads: heads of the attention.
        drop_path: probability of skipping a branch for a sample (Huang et al. 2016).
        key_bias: see ``Attention``.
        activation: between the two layers.
    """

    def __init__(
        self,
        width: int,
        num_heads: int,
        drop_path: float = 0.0,
        key_bias: bool = True,
        activation: type[nn.Module] = nn.GELU,
    ) -> None:
        super().__init__()
        from timm.layers import DropPath, Mlp  # heavy, and the dry run imports this module

        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = Attention(width, num_heads, key_bias)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = Mlp(width, 4 * width, act_layer=activation)
        self.drop_path = DropPath(drop_path)

    def forward(self, x_BSD: Tensor) -> Tensor:
        x_BSD = x_BSD + self.drop_path(self.attn(self.norm1(x_BSD)))
        return x_BSD + self.drop_path(self.mlp(self.norm2(x_BSD)))


def drop_path_rates(drop_path: float, depth: int) -> list[float]:
    """From 0 at the first block to ``drop_path`` at the last."""
    return [drop_path * number / max(1, depth - 1) for number in range(depth)]


def init_weights(network: nn.Module) -> None:
    """Linear layers: normal of 0.02, cut at 2, and biases of 0, as ViT has it."""
    for module in network.modules():
        if isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def token_grid(size: Sequence[int], tubelet: Sequence[int]) -> tuple[int, int, int]:
    """How many tubelets a clip has along T, H and W.

    Raises:
        UserError: the clip does not divide into them.
    """
    if any(long % short or long < short for long, short in zip(size, tubelet, strict=True)):
        clip, box = "x".join(map(str, size)), "x".join(map(str, tubelet))
        raise UserError(
            f"a clip of {clip} does not divide into the encoder's patches of {box} (frames x rows "
            "x columns); set clip.num_frames and clip.crop_size to multiples of them"
        )
    T, H, W = (long // short for long, short in zip(size, tubelet, strict=True))
    return T, H, W


def resize_positions(table_SD: Tensor, old: Sequence[int], new: Sequence[int]) -> Tensor:
    """Learned positions of one grid (T, H, W), interpolated to another; the class token's apart."""
    if tuple(old) == tuple(new):
        return table_SD
    table_1DTHW = table_SD.T.reshape(1, -1, *old)
    return interpolate(table_1DTHW, tuple(new), mode="trilinear").flatten(2)[0].T


@lru_cache(maxsize=16)
def sinusoid(num_positions: int, width: int, device: torch.device) -> Tensor:
    """Fixed positions, S x D: sines at even and cosines at odd features (Vaswani et al. 2017)."""
    with torch.inference_mode(False):  # the cached table must serve training too
        position_S1 = torch.arange(num_positions, dtype=torch.float64, device="cpu").unsqueeze(1)
        feature_D = torch.arange(width, dtype=torch.float64, device="cpu")
        angle_SD = position_S1 / 10000 ** (2 * (feature_D // 2) / width)
        table_SD = torch.where(feature_D % 2 == 0, angle_SD.sin(), angle_SD.cos())
        return table_SD.float().to(device)
