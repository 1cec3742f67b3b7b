"""Feature-level fusion in which streams attend to each other."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from stfw.models.fusions.presence import masked, presence
from stfw.types import UserError


class CrossAttention(nn.Module):
    """Each stream's feature is one token; tokens attend to each other and are averaged.

    A token is the stream's feature through a linear layer, plus what marks the stream. Missing
    streams are neither looked at nor averaged in.

    Args:
        in_features: stream name to its D.
        hidden_size: width of the tokens and of the result.
        num_heads: of the attention; divides ``hidden_size``.
        dropout: of the attention.

    Raises:
        UserError: ``num_heads`` does not divide ``hidden_size``.
    """

    level = "feature"

    def __init__(
        self,
        in_features: dict[str, int],
        hidden_size: int = 256,
        num_heads: int = 4,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if hidden_size % num_heads:
            raise UserError(
                f"fusion.num_heads={num_heads} does not divide fusion.hidden_size={hidden_size}"
            )
        # the layer's bias marks the stream
        self.project = nn.ModuleDict(
            {name: nn.Linear(width, hidden_size) for name, width in in_features.items()}
        )
        self.norm1, self.norm2 = nn.LayerNorm(hidden_size), nn.LayerNorm(hidden_size)
        self.attend = nn.MultiheadAttention(hidden_size, num_heads, dropout, batch_first=True)
        self.num_features = hidden_size

    def forward(self, by_stream: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        tokens_BJD = torch.stack(
            [layer(masked(name, by_stream, present)) for name, layer in self.project.items()],
            dim=1,
        )
        present_BJ = presence(list(self.project), by_stream, present)
        normed_BJD = self.norm1(tokens_BJD)
        seen_BJD, _ = self.attend(
            normed_BJD, normed_BJD, normed_BJD, key_padding_mask=~present_BJ, need_weights=False
        )
        tokens_BJD = (tokens_BJD + seen_BJD).masked_fill(~present_BJ.unsqueeze(2), 0.0)
        return self.norm2(tokens_BJD.sum(dim=1) / present_BJ.sum(dim=1, keepdim=True))
