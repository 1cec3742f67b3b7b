"""The chain: clips -> encoder -> aggregator -> fusion -> head. The only composed network."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from stfw.models.clips import Clips, Steps, encode, fold, maps_of_views, steps_of_views
from stfw.models.fusions.presence import drop_streams, masked

JOINED = "joined"  # the one branch that several streams have become


class Recognizer(nn.Module):
    """Gives logits per view.

    The encoder sees clips, folded from B V N into one axis; the aggregator sees the N*S steps of
    one view; the fusion is the only part that sees several streams. What it joins is its attribute
    ``level``:

    - ``input``: the streams' channels; one encoder and aggregator, named ``joined``, follow;
    - ``maps``: the encoders' ``maps`` of all N*T moments of a view; what the fusion makes of them
      is pooled over space (its attribute ``space_pool``: ``mean``, or ``max``), and one aggregator,
      named ``joined``, follows;
    - ``feature``: what the streams' aggregators give; the head follows;
    - ``logits``: what the streams' heads give.

    A head with the attribute ``reads_steps`` takes the aggregator's place, ``(tokens_BSD,
    weights_BS) -> logits_BK``; it needs one branch, or a fusion of logits.

    Args:
        encoders: stream name to a network ``x_BCTHW -> tokens_BSD``.
        aggregators: stream name to a module ``(tokens_BSD, weights_BS) -> feature_BD``.
        fusion: module ``(by_stream, present) ->`` what it joins.
        head: module ``feature_BD -> logits_BK``; where logits are fused, stream name to one.
        max_clips_per_forward: in evaluation the encoder sees at most so many clips at a time, so
            that many views fit into memory; the result is the same.
        stacked: streams whose frames are folded into channels before the encoder, C * T at T = 1.
        stream_dropout: probability, in training, that a stream of a video is treated as missing;
            each video keeps one that it has.
    """

    def __init__(
        self,
        encoders: Mapping[str, nn.Module],
        aggregators: Mapping[str, nn.Module],
        fusion: nn.Module,
        head: nn.Module | Mapping[str, nn.Module],
        max_clips_per_forward: int = 32,
        stacked: Collection[str] = (),
        stream_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.encoders = nn.ModuleDict(encoders)
        self.aggregators = nn.ModuleDict(aggregators)
        self.fusion = fusion
        self.head = head if isinstance(head, nn.Module) else nn.ModuleDict(head)
        self.max_clips_per_forward, self.stacked = max_clips_per_forward, frozenset(stacked)
        self.stream_dropout = stream_dropout
        heads = head.values() if isinstance(head, Mapping) else [head]
        self.reads_steps = any(getattr(one, "reads_steps", False) for one in heads)
        self.level = getattr(fusion, "level", "feature")
        self.streams = list(getattr(fusion, "streams", ()) if self.level == "input" else encoders)

    def features(self, batch: Mapping[str, Any]) -> Tensor:
        """The fused feature of every view, B V D; keys as in ``forward``.

        Where logits are fused, the features of all streams side by side.
        """
        B, V = batch[self.streams[0]].shape[:2]
        present = self._present(batch)
        return self._feature(self._branches(batch, present), _each(present, V)).reshape(B, V, -1)

    def forward(self, batch: Mapping[str, Any]) -> Tensor:
        """Logits of every view.

        Args:
            batch: per stream float B V N C T H W (sound: B V N 1 M L); ``weights`` float B V N
                (absent: all 1);
                ``present`` stream -> bool B; ``padded``: whether any weight may be 0 or any video
                may lack a stream.

        Returns:
            logits_BVK.
        """
        B, V = batch[self.streams[0]].shape[:2]
        present = self._present(batch)
        branches, present = self._branches(batch, present), _each(present, V)
        if self.level == "logits":
            logits = {name: self._logits(name, steps) for name, steps in branches.items()}
            logits_BK = self.fusion(logits, present)
        elif self.reads_steps:
            (steps,) = branches.values()
            logits_BK = self.head(*steps)
        else:
            logits_BK = self.head(self._feature(branches, present))
        return logits_BK.reshape(B, V, -1)

    def _branches(
        self, batch: Mapping[str, Any], present: Mapping[str, Tensor]
    ) -> dict[str, Steps]:
        """The steps of every stream, or of what they have become."""
        weights_BVN = batch.get("weights")
        clips = {
            name: fold(batch[name], weights_BVN, name in self.stacked) for name in self.streams
        }
        weights_BVN = clips[self.streams[0]].weights_BVN
        if self.level == "input":
            inputs = {name: x_BCTHW for name, (x_BCTHW, _) in clips.items()}
            joined = self.fusion(inputs, _each(present, weights_BVN[0].numel()))
            clips = {JOINED: Clips(joined, weights_BVN)}
        padded = batch.get("padded", False)
        max_clips = None if self.training else self.max_clips_per_forward
        found = {}
        for name, encoder in self.encoders.items():
            network: Any = encoder.maps if self.level == "maps" else encoder
            # a stream that is dropped in training is there, and batch norm may see it
            there = batch.get("present", {}).get(name)
            found[name] = encode(network, clips[name], padded, max_clips, there)
        if self.level == "maps":
            maps = {name: maps_of_views(x, clips[name].weights_BVN) for name, x in found.items()}
            joined = self.fusion(maps, _each(present, weights_BVN.shape[1]))
            pool = torch.amax if getattr(self.fusion, "space_pool", "mean") == "max" else torch.mean
            steps_BSD = pool(joined, dim=(3, 4)).transpose(1, 2)
            return {JOINED: steps_of_views(steps_BSD, weights_BVN)}
        return {name: steps_of_views(x, clips[name].weights_BVN) for name, x in found.items()}

    def _logits(self, name: str, steps: Steps) -> Tensor:
        """A stream's own prediction, where logits are fused."""
        head: Any = self.head
        return head[name](*steps if self.reads_steps else [self.aggregators[name](*steps)])

    def _feature(self, branches: Mapping[str, Steps], present: Mapping[str, Tensor]) -> Tensor:
        features = {name: self.aggregators[name](*steps) for name, steps in branches.items()}
        if self.level == "feature":
            return self.fusion(features, present)
        return torch.cat([masked(name, features, present) for name in features], dim=1)

    def _present(self, batch: Mapping[str, Any]) -> Mapping[str, Tensor]:
        """Which videos have a stream, bool B; in training less those that are dropped."""
        present = batch.get("present", {})
        if self.training and self.stream_dropout and len(self.streams) > 1:
            example = batch[self.streams[0]]
            return drop_streams(self.streams, present, self.stream_dropout, example)
        return present


def _each(present: Mapping[str, Tensor], times: int) -> dict[str, Tensor]:
    """A video's flags for each of its parts."""
    return {name: flag_B.repeat_interleave(times) for name, flag_B in present.items()}


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
