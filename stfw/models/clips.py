"""From a batch's clips to an encoder and back to its views."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor


class Clips(NamedTuple):
    """Clips of one stream.

    Attributes:
        x_BCTHW: B, V and N folded into B (sound: x_BCML).
        weights_BVN: of each; 0 is padding.
    """

    x_BCTHW: Tensor
    weights_BVN: Tensor


class Steps(NamedTuple):
    """What an encoder saw in all clips of a view; B and V are folded into B.

    Attributes:
        tokens_BSD: one for each of the N * S steps.
        weights_BS: a clip's weight for each of its steps; 0 is padding.
    """

    tokens_BSD: Tensor
    weights_BS: Tensor


def fold(x_BVNCTHW: Tensor, weights_BVN: Tensor | None, stack: bool) -> Clips:
    """A stream of a batch as clips.

    Args:
        x_BVNCTHW: the stream.
        weights_BVN: of the clips of a view; None: all 1, as where one sound serves all clips.
        stack: whether frames are folded into channels, C * T at T = 1.
    """
    if stack:
        x_BVNCTHW = x_BVNCTHW.flatten(3, 4).unsqueeze(4)
    shape_BVN = x_BVNCTHW.shape[:3]
    if weights_BVN is None or weights_BVN.shape != shape_BVN:
        weights_BVN = x_BVNCTHW.new_ones(shape_BVN)
    return Clips(x_BVNCTHW.flatten(0, 2), weights_BVN)


def encode(
    encoder: Callable[[Tensor], Tensor],
    clips: Clips,
    padded: bool,
    max_clips: int | None,
    present_B: Tensor | None = None,
) -> Tensor:
    """What an encoder gives for each clip.

    Padding (weight 0) is never encoded, and gives 0. Neither are videos that lack the stream,
    unless fewer than two clips were left, too few for batch norm in training.

    Args:
        encoder: a network, or a method of it.
        clips: its input.
        padded: whether any weight may be 0, or any video may lack the stream.
        max_clips: it sees at most so many clips at a time; None: all.
        present_B: which videos have the stream; None: all.
    """

    def in_chunks(x_BCTHW: Tensor) -> Tensor:
        if max_clips is None or len(x_BCTHW) <= max_clips:
            return encoder(x_BCTHW)
        return torch.cat([encoder(chunk_BCTHW) for chunk_BCTHW in x_BCTHW.split(max_clips)])

    if not padded:
        return in_chunks(clips.x_BCTHW)
    real_BVN = clips.weights_BVN > 0  # batch norm must not see padding
    if present_B is not None:
        there_BVN = real_BVN & present_B.view(-1, 1, 1)
        real_BVN = torch.where(there_BVN.sum() < 2, real_BVN, there_BVN)
    real_B = real_BVN.flatten()
    found = in_chunks(clips.x_BCTHW[real_B])
    everything = found.new_zeros(len(real_B), *found.shape[1:])
    return everything.masked_scatter(real_B.view(-1, *[1] * (found.ndim - 1)), found)


def steps_of_views(tokens_BSD: Tensor, weights_BVN: Tensor) -> Steps:
    """Tokens of clips as those of views."""
    B, V, N = weights_BVN.shape
    tokens_BSD = tokens_BSD.reshape(B * V, -1, tokens_BSD.shape[-1])
    weights_BS = weights_BVN.reshape(B * V, N).repeat_interleave(tokens_BSD.shape[1] // N, dim=1)
    # a view that is all padding must give some number; nobody counts it
    padding_B1 = (weights_BS <= 0).all(dim=1, keepdim=True)
    return Steps(tokens_BSD, torch.where(padding_B1, torch.ones_like(weights_BS), weights_BS))


def maps_of_views(maps_BCTHW: Tensor, weights_BVN: Tensor) -> Tensor:
    """Maps of clips as those of views: the N * T moments stand behind each other."""
    N = weights_BVN.shape[2]
    return maps_BCTHW.unflatten(0, (-1, N)).transpose(1, 2).flatten(2, 3)
