"""Weights, gradients and optimizer states spread over processes (Zhao et al. 2023)."""

from __future__ import annotations

import functools
from typing import Literal

from pytorch_lightning.strategies import FSDPStrategy
from torch.distributed.fsdp.wrap import size_based_auto_wrap_policy


class Fsdp(FSDPStrategy):
    """Fully sharded data parallel training whose checkpoints are those of any other run.

    Args:
        min_params: parts of a network with at least so many parameters are gathered on their own,
            so that never all of them are in one place.
        sharding: ``FULL_SHARD``: everything; ``SHARD_GRAD_OP``: weights stay whole between forward
            and backward; ``HYBRID_SHARD``: within each node.
        cpu_offload: keep what is not in use in the machine's memory.
    """

    def __init__(
        self,
        min_params: int = 1_000_000,
        sharding: Literal["FULL_SHARD", "SHARD_GRAD_OP", "HYBRID_SHARD"] = "FULL_SHARD",
        cpu_offload: bool = False,
    ) -> None:
        super().__init__(
            auto_wrap_policy=functools.partial(
                size_based_auto_wrap_policy, min_num_params=min_params
            ),
            sharding_strategy=sharding,
            cpu_offload=cpu_offload,
        )
