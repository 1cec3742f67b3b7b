"""Feature-level fusion by learned gates (after the gated multimodal unit, Arevalo et al. 2017)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from stfw.models.fusions.presence import masked, presence


class Gated(nn.Module):
    """``sum_j g_j tanh(W_j x_j)``; the gates g are a softmax over the streams that a video has.

    Gates are chosen from all features together. Those of missing streams are 0, and the others'
    sum is still 1.

    Args:
        in_features: stream name to its D.
        hidden_size: width of the result.
        per_feature: one gate for every feature of a stream instead of one for the stream.
    """

    level = "feature"

    def __init__(
        self, in_features: dict[str, int], hidden_size: int = 256, per_feature: bool = False
    ) -> None:
        super().__init__()
        self.project = nn.ModuleDict(
            {name: nn.Linear(width, hidden_size) for name, width in in_features.items()}
        )
        num_gates = hidden_size if per_feature else 1
        self.gate = nn.Linear(sum(in_features.values()), len(in_features) * num_gates)
        self.num_features = hidden_size

    def gates(self, by_stream: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        """How much each stream counts: B J 1, or B J D with ``per_feature``; of sum 1 over J."""
        streams = list(self.project)
        features = [masked(name, by_stream, present) for name in streams]
        scores_BJD = self.gate(torch.cat(features, dim=1)).unflatten(1, (len(streams), -1))
        missing_BJ1 = ~presence(streams, by_stream, present).unsqueeze(2)
        return scores_BJD.float().masked_fill(missing_BJ1, float("-inf")).softmax(dim=1)

    def forward(self, by_stream: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        hidden_BJD = torch.stack(
            [
                layer(masked(name, by_stream, present)).tanh()
                for name, layer in self.project.items()
            ],
            dim=1,
        )
        return (self.gates(by_stream, present).to(hidden_BJD.dtype) * hidden_BJD).sum(dim=1)
