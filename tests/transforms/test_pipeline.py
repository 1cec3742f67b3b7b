"""The chain of transforms: which random numbers a step gets."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from stfw.transforms.clip import CenterCrop, RandomCrop
from stfw.transforms.pipeline import ClipPipeline, seeded


class Draw:
    """Notes the number that it is given."""

    def __init__(self) -> None:
        self.drawn: list[int] = []

    def __call__(self, x_NCTHW: Tensor, generator: np.random.Generator, kind: str) -> Tensor:
        self.drawn.append(int(generator.integers(10**9)))
        return x_NCTHW


def test_streams_of_a_view_get_the_same_numbers_and_views_others() -> None:
    draw = Draw()
    pipeline = ClipPipeline({"draw": draw})
    x_NCTHW = torch.zeros(1, 3, 1, 4, 4, dtype=torch.uint8)
    pipeline(x_NCTHW, 1, "rgb")
    pipeline(x_NCTHW, 1, "flow")
    pipeline(x_NCTHW, 2, "rgb")
    assert draw.drawn[0] == draw.drawn[1] != draw.drawn[2]


def test_taking_a_step_out_changes_no_other() -> None:
    one, other = Draw(), Draw()
    x_NCTHW = torch.zeros(1, 3, 1, 8, 8, dtype=torch.uint8)
    ClipPipeline({"crop": RandomCrop(4), "draw": one})(x_NCTHW, 5)
    ClipPipeline({"crop": None, "draw": other})(x_NCTHW, 5)
    assert one.drawn == other.drawn


def test_a_step_set_to_null_is_left_out() -> None:
    pipeline = ClipPipeline({"crop": CenterCrop(4), "flip": None})
    assert pipeline(torch.zeros(1, 3, 1, 8, 8, dtype=torch.uint8), 0).shape[-1] == 4


def test_torch_draws_by_the_generator_and_its_own_state_stays() -> None:
    state = torch.random.get_rng_state()
    draws = [
        seeded(lambda x: x + torch.rand(()), torch.zeros(()), np.random.default_rng(seed))
        for seed in (0, 0, 1)
    ]
    assert draws[0] == draws[1] != draws[2]
    assert torch.equal(state, torch.random.get_rng_state())
