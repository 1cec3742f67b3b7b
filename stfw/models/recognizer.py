"""The chain: clips -> encoder -> aggregator -> fusion -> head. The only composed network."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import Tensor, nn


class Recognizer(nn.Module):
    """Gives logits per view.

    The encoder sees clips, folded from B V N into one axis; the aggregator sees the N*S steps of
    one view; the fusion is the only part that sees several streams.

    Args:
        encoders: stream name to a network ``x_BCTHW -> tokens_BSD``.
        aggregators: stream name to a module ``(tokens_BSD, weights_BS) -> feature_BD``.
        fusion: module ``(by_stream, present) -> feature_BD``.
        head: module ``feature_BD -> logits_BK``.
        max_clips_per_forward: in evaluation the encoder sees at most so many clips at a time, so
            that many views fit into memory; the result is the same.
        stacked: streams whose frames are folded into channels before the encoder, C * T at T = 1.
    """

    def __init__(
        self,
        encoders: Mapping[str, nn.Module],
        aggregators: Mapping[str, nn.Module],
        fusion: nn.Module,
        head: nn.Module,
        max_clips_per_forward: int = 32,
        stacked: Collection[str] = (),
    ) -> None:
        super().__init__()
        self.encoders = nn.ModuleDict(encoders)
        self.aggregators = nn.ModuleDict(aggregators)
        self.fusion, self.head = fusion, head
        self.max_clips_per_forward, self.stacked = max_clips_per_forward, frozenset(stacked)

    def features(self, batch: Mapping[str, Any]) -> Tensor:
        """The fused feature of every view, B V D; keys as in ``forward``."""
        by_stream = {}
        for name, encoder in self.encoders.items():
            x_BVNCTHW = batch[name]
            if name in self.stacked:
                x_BVNCTHW = x_BVNCTHW.flatten(3, 4).unsqueeze(4)
            B, V, N = x_BVNCTHW.shape[:3]
            weights_BVN = batch.get("weights")
            if weights_BVN is None or weights_BVN.shape != (B, V, N):  # one sound for all clips
                weights_BVN = x_BVNCTHW.new_ones(B, V, N)
            tokens_BSD = self._encode(encoder, x_BVNCTHW, weights_BVN, batch.get("padded", False))
            S = tokens_BSD.shape[1]  # steps of one clip; a view has N * S
            weights_BS = weights_BVN.reshape(B * V, N).repeat_interleave(S, dim=1)
            # a view that is all padding must give some number; nobody counts it
            padding_B1 = (weights_BS <= 0).all(dim=1, keepdim=True)
            weights_BS = torch.where(padding_B1, torch.ones_like(weights_BS), weights_BS)
            tokens_BSD = tokens_BSD.reshape(B * V, N * S, -1)
            by_stream[name] = self.aggregators[name](tokens_BSD, weights_BS)
        present = {
            name: flag_B.repeat_interleave(V) for name, flag_B in batch.get("present", {}).items()
        }
        return self.fusion(by_stream, present).reshape(B, V, -1)

    def forward(self, batch: Mapping[str, Any]) -> Tensor:
        """Logits of every view.

        Args:
            batch: per stream float B V N C T H W (sound: B V N 1 M L); ``weights`` float B V N
                (absent: all 1);
                ``present`` stream -> bool B; ``padded``: whether any weight may be 0.

        Returns:
            logits_BVK.
        """
        feature_BVD = self.features(batch)
        B, V = feature_BVD.shape[:2]
        return self.head(feature_BVD.flatten(0, 1)).reshape(B, V, -1)

    def _encode(
        self, encoder: nn.Module, x_BVNCTHW: Tensor, weights_BVN: Tensor, padded: bool
    ) -> Tensor:
        """tokens_BSD with B, V, N folded into B. Padding (weight 0) is never encoded."""
        x_BCTHW = x_BVNCTHW.flatten(0, 2)
        if not padded:
            return self._in_chunks(encoder, x_BCTHW)
        real_B = weights_BVN.flatten() > 0  # batch norm must not see padding
        tokens_RSD = self._in_chunks(encoder, x_BCTHW[real_B])
        tokens_BSD = tokens_RSD.new_zeros(len(x_BCTHW), *tokens_RSD.shape[1:])
        return tokens_BSD.masked_scatter(real_B[:, None, None], tokens_RSD)

    def _in_chunks(self, encoder: nn.Module, x_BCTHW: Tensor) -> Tensor:
        if self.training or len(x_BCTHW) <= self.max_clips_per_forward:
            return encoder(x_BCTHW)
        chunks = x_BCTHW.split(self.max_clips_per_forward)
        return torch.cat([encoder(chunk_BCTHW) for chunk_BCTHW in chunks])


def view_probabilities(
    logits_BVK: Tensor, multi_label: bool = False, weights_BVN: Tensor | None = None
) -> Tensor:
    """Probabilities of a video: the mean of its views' softmax, B K.

    Args:
        logits_BVK: of every view.
        multi_label: each class has a probability of its own: the mean of the views' sigmoid.
        weights_BVN: of the clips; a view without any above 0 is padding and does not count.
    """
    logits_BVK = logits_BVK.float()
    by_view_BVK = logits_BVK.sigmoid() if multi_label else logits_BVK.softmax(dim=-1)
    if weights_BVN is None:
        return by_view_BVK.mean(dim=1)
    real_BV1 = (weights_BVN > 0).any(dim=2, keepdim=True)
    return (by_view_BVK * real_BV1).sum(dim=1) / real_BV1.sum(dim=1)
