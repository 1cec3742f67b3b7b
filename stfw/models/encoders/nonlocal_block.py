"""Non-local block (Wang et al. 2018, "Non-local Neural Networks"): attention in time and space."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

Mode = Literal["dot_product", "embedded_gaussian", "gaussian"]


class NonLocal(nn.Module):
    """``x + out(affinity(x) g(x))``: every place of the maps sees all others of its clip.

    The affinity of two places is the dot product of their features, embedded by ``theta`` and
    ``phi`` (the Gaussian compares the features themselves). It is divided by the number of places
    seen, or passes a softmax over them; without the scale that later transformers have, as in the
    paper. Inside, there are half as many channels.

    Args:
        channels: C of the maps.
        mode: ``dot_product``, ``embedded_gaussian`` or ``gaussian``.
        sub_sample: ``phi`` and ``g`` are max-pooled by 2 x 2 in space: a quarter of the work.
        batch_norm: normalise the result before it is added; begins at zero, so that the block
            begins as the identity.
    """

    def __init__(
        self,
        channels: int,
        mode: Mode = "embedded_gaussian",
        sub_sample: bool = True,
        batch_norm: bool = True,
    ) -> None:
        super().__init__()
        inner = channels // 2
        self.mode: Mode = mode
        self.g = nn.Conv3d(channels, inner, 1)
        self.theta = nn.Conv3d(channels, inner, 1) if mode != "gaussian" else nn.Identity()
        self.phi = nn.Conv3d(channels, inner, 1) if mode != "gaussian" else nn.Identity()
        self.pool = nn.MaxPool3d((1, 2, 2)) if sub_sample else nn.Identity()
        self.out = nn.Conv3d(inner, channels, 1, bias=not batch_norm)
        self.bn = nn.BatchNorm3d(channels) if batch_norm else nn.Identity()
        self.init_weights()

    def forward(self, x_BCTHW: Tensor) -> Tensor:
        theta_BPC = self.theta(x_BCTHW).flatten(2).transpose(1, 2)  # P: places that look
        phi_BCQ = self.pool(self.phi(x_BCTHW)).flatten(2)  # Q: places looked at
        g_BQC = self.pool(self.g(x_BCTHW)).flatten(2).transpose(1, 2)
        affinity_BPQ = theta_BPC @ phi_BCQ
        if self.mode == "dot_product":
            affinity_BPQ = affinity_BPQ / affinity_BPQ.shape[-1]
        else:
            affinity_BPQ = affinity_BPQ.softmax(dim=-1)
        seen_BCP = (affinity_BPQ @ g_BQC).transpose(1, 2)
        seen_BCTHW = seen_BCP.reshape(len(x_BCTHW), -1, *x_BCTHW.shape[2:])
        return x_BCTHW + self.bn(self.out(seen_BCTHW))

    def init_weights(self) -> None:
        """Small embeddings; the last layer begins at zero (section 4.1 of the paper)."""
        for conv in (self.g, self.theta, self.phi, self.out):
            if isinstance(conv, nn.Conv3d):
                nn.init.normal_(conv.weight, std=0.01)
                if conv.bias is not None:
                    nn.init.zeros_(conv.bias)
        last = self.bn if isinstance(self.bn, nn.BatchNorm3d) else self.out
        nn.init.zeros_(last.weight)
