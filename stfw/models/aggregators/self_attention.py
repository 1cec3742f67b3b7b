"""A transformer encoder over the steps (Vaswani et al. 2017)."""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from stfw.models.aggregators.steps import log_weights, together, weighted
from stfw.types import UserError


class SelfAttention(nn.Module):
    """Steps look at each other in ``num_layers`` blocks of multi-head self-attention.

    Positions count the real steps, so padding changes nothing. A step is looked at in proportion to
    its weight: its logarithm is added to the scores.

    Args:
        in_features: D of the encoder.
        hidden_size: width of the blocks; steps are projected to it.
        num_layers: blocks, each normalising before attention and before its two linear layers.
        num_heads: of the attention; divides ``hidden_size``.
        mlp_ratio: width between a block's two linear layers, in ``hidden_size``.
        positions: ``sinusoidal``, or ``learned`` for up to ``max_steps``, or ``none``.
        output: that of a ``class_token`` before the steps, or the weighted ``mean`` of the steps.
        dropout: of attention and of each block's two results.
        max_steps: number of learned positions.

    Raises:
        UserError: ``num_heads`` does not divide ``hidden_size``; when called, more steps than
            learned positions.
    """

    def __init__(
        self,
        in_features: int,
        hidden_size: int = 256,
        num_layers: int = 2,
        num_heads: int = 4,
        mlp_ratio: float = 4.0,
        positions: Literal["sinusoidal", "learned", "none"] = "sinusoidal",
        output: Literal["class_token", "mean"] = "class_token",
        dropout: float = 0.1,
        max_steps: int = 512,
    ) -> None:
        super().__init__()
        if hidden_size % num_heads:
            raise UserError(
                f"aggregator.num_heads={num_heads} does not divide hidden_size={hidden_size}"
            )
        self.project = nn.Linear(in_features, hidden_size)
        self.kind, self.max_steps = positions, max_steps
        if positions == "learned":
            self.position_SD = nn.Parameter(torch.empty(max_steps, hidden_size))
            nn.init.trunc_normal_(self.position_SD, std=0.02)
        self.token_D: nn.Parameter | None = None
        if output == "class_token":
            self.token_D = nn.Parameter(torch.empty(hidden_size))
            nn.init.trunc_normal_(self.token_D, std=0.02)
        inner = round(hidden_size * mlp_ratio)
        self.blocks = nn.ModuleList(
            Block(hidden_size, num_heads, inner, dropout) for _ in range(num_layers)
        )
        self.norm = nn.LayerNorm(hidden_size)
        self.num_features = hidden_size

    def attention(self, tokens_BSD: Tensor, weights_BS: Tensor) -> Tensor:
        """How much the result looks at each step in the last block: B S, of sum 1.

        The mean over heads, of the class token's look at the steps, or of that of all steps.
        """
        x_BSD, joint_BS = self._placed(tokens_BSD, weights_BS)
        for block in self.blocks[:-1]:
            x_BSD = block(x_BSD, joint_BS)
        last: Any = self.blocks[-1]
        looks_BSS = last.looks(x_BSD, joint_BS).mean(dim=1)
        if self.token_D is not None:
            looks_BS = looks_BSS[:, 0, 1:]
        else:
            looks_BS = (looks_BSS * joint_BS.unsqueeze(-1)).sum(dim=1)
        looks_BS = looks_BS / looks_BS.sum(dim=1, keepdim=True).clamp_min(1e-12)
        # back to where the steps stand
        order_BS = torch.argsort((weights_BS <= 0).to(torch.uint8), dim=1, stable=True)
        return torch.zeros_like(looks_BS).scatter(1, order_BS, looks_BS)

    def forward(self, tokens_BSD: Tensor, weights_BS: Tensor) -> Tensor:
        x_BSD, joint_BS = self._placed(tokens_BSD, weights_BS)
        for block in self.blocks:
            x_BSD = block(x_BSD, joint_BS)
        if self.token_D is not None:
            return self.norm(x_BSD[:, 0])
        total_B1 = joint_BS.sum(dim=1, keepdim=True).clamp_min(1e-12)
        return weighted(self.norm(x_BSD), joint_BS / total_B1)

    def _placed(self, tokens_BSD: Tensor, weights_BS: Tensor) -> tuple[Tensor, Tensor]:
        """Projected steps with their positions, behind the class token, and their weights."""
        tokens_BSD, weights_BS = together(tokens_BSD, weights_BS)
        x_BSD = self.project(tokens_BSD)
        S = x_BSD.shape[1]
        if self.kind == "learned":
            if self.max_steps < S:
                raise UserError(
                    f"{S} steps, and aggregator.max_steps={self.max_steps} learned positions; "
                    "raise max_steps, or choose aggregator.positions=sinusoidal"
                )
            x_BSD = x_BSD + self.position_SD[:S]
        elif self.kind == "sinusoidal":
            x_BSD = x_BSD + sinusoids(S, x_BSD.shape[2], x_BSD.device).to(x_BSD.dtype)
        if self.token_D is not None:
            token_B1D = self.token_D.to(x_BSD.dtype).expand(len(x_BSD), 1, -1)
            x_BSD = torch.cat([token_B1D, x_BSD], dim=1)
            weights_BS = functional.pad(weights_BS, (1, 0), value=1.0)
        return x_BSD, weights_BS


class Block(nn.Module):
    """Pre-norm transformer block.

    Args:
        width: D.
        num_heads: of the attention.
        inner: width between the two linear layers.
        dropout: of attention and of both results.
    """

    def __init__(self, width: int, num_heads: int, inner: int, dropout: float) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, inner), nn.GELU(), nn.Linear(inner, width))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x_BSD: Tensor, weights_BS: Tensor) -> Tensor:
        query, key, value = self._heads(x_BSD)  # each B, head, S, width / num_heads
        mask_B11S = log_weights(weights_BS)[:, None, None].to(query.dtype)
        seen = functional.scaled_dot_product_attention(
            query, key, value, mask_B11S, dropout_p=self.dropout.p if self.training else 0.0
        )
        x_BSD = x_BSD + self.dropout(self.out(seen.transpose(1, 2).flatten(2)))
        return x_BSD + self.dropout(self.mlp(self.norm2(x_BSD)))

    def looks(self, x_BSD: Tensor, weights_BS: Tensor) -> Tensor:
        """The attention itself: B, head, S looking, S looked at."""
        query, key, _ = self._heads(x_BSD)
        scores = query @ key.transpose(2, 3) / math.sqrt(query.shape[-1])
        return torch.softmax(scores.float() + log_weights(weights_BS)[:, None, None], dim=-1)

    def _heads(self, x_BSD: Tensor) -> tuple[Tensor, ...]:
        joint = self.qkv(self.norm1(x_BSD)).unflatten(2, (3, self.num_heads, -1))
        return joint.permute(2, 0, 3, 1, 4).unbind(0)


def sinusoids(num_steps: int, width: int, device: torch.device | str = "cpu") -> Tensor:
    """Sines and cosines of wavelengths from 2 pi to 20000 pi: float32 S D."""
    pairs = torch.arange((width + 1) // 2, device=device, dtype=torch.float32)
    angle = torch.arange(num_steps, device=device)[:, None] * 10000 ** (-2 * pairs / width)
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)[:, :width]
