"""The learning rate for another batch than the one that a recipe was made for."""

from __future__ import annotations

import math
from typing import Literal

from stfw.types import UserError

Rule = Literal["linear", "sqrt", "off"]


def lr_factor(effective_batch_size: int, base_batch_size: int | None, rule: Rule) -> float:
    """What the learning rate is multiplied by.

    Args:
        effective_batch_size: clips per optimizer step, over all devices and accumulated batches.
        base_batch_size: the batch for which the rate was given; None: the rate is taken as it is.
        rule: ``linear``: by the ratio of the batches (Goyal et al. 2017); ``sqrt``: by its root
            (Krizhevsky 2014); ``off``: not at all.

    Raises:
        UserError: a reference batch below 1.
    """
    if base_batch_size is None or rule == "off":
        return 1.0
    if base_batch_size < 1:
        raise UserError(f"optimizer.base_batch_size={base_batch_size} is below 1")
    ratio = effective_batch_size / base_batch_size
    return math.sqrt(ratio) if rule == "sqrt" else ratio
