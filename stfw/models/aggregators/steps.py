"""What several aggregators share: real steps moved together, and softmax over them."""

from __future__ import annotations

import torch
from torch import Tensor

from stfw.types import UserError


def together(tokens_BSD: Tensor, weights_BS: Tensor) -> tuple[Tensor, Tensor]:
    """Steps of weight 0 moved behind the others, whose order stays, and set to 0.

    Returns:
        tokens_BSD and weights_BS.
    """
    order_BS = torch.argsort((weights_BS <= 0).to(torch.uint8), dim=1, stable=True)
    weights_BS = weights_BS.gather(1, order_BS)
    tokens_BSD = tokens_BSD.gather(1, order_BS.unsqueeze(-1).expand_as(tokens_BSD))
    return tokens_BSD.masked_fill((weights_BS <= 0).unsqueeze(-1), 0.0), weights_BS


def exactly(num_steps: int, tokens_BSD: Tensor, weights_BS: Tensor, hint: str) -> Tensor:
    """The real steps, where every video has ``num_steps`` of them.

    Args:
        num_steps: S of the result.
        tokens_BSD: features of the steps.
        weights_BS: of the steps; 0 is padding.
        hint: what the error says, with ``{}`` for the number that a video has.

    Raises:
        UserError: a video has another number.
    """
    if tokens_BSD.is_meta:  # counting operations: every step is real
        others = [tokens_BSD.shape[1]] if tokens_BSD.shape[1] != num_steps else []
    else:
        counts_B = (weights_BS > 0).sum(dim=1)
        others = counts_B[counts_B != num_steps].tolist()
    if others:
        raise UserError(hint.format(others[0]))
    if tokens_BSD.shape[1] == num_steps:
        return tokens_BSD
    return together(tokens_BSD, weights_BS)[0][:, :num_steps]


def shares(scores_BS: Tensor, weights_BS: Tensor) -> Tensor:
    """``w_s exp(score_s)`` divided by its sum over the steps; 0 where the weight is 0."""
    return torch.softmax(scores_BS.float() + log_weights(weights_BS), dim=1)


def log_weights(weights_BS: Tensor) -> Tensor:
    """What is added to the scores of a softmax, so that steps count by their weights."""
    return weights_BS.float().clamp_min(0).log()


def weighted(tokens_BSD: Tensor, shares_BS: Tensor) -> Tensor:
    """``sum_s a_s x_s``: B D. A step of share 0 may hold anything."""
    shares_BS1 = shares_BS.unsqueeze(-1).to(tokens_BSD.dtype)
    return (tokens_BSD.masked_fill(shares_BS1 == 0, 0.0) * shares_BS1).sum(dim=1)
