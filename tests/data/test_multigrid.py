"""The shapes of the paper, a constant cost of a step, and a learning rate that follows."""

from __future__ import annotations

import math
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from stfw.assemble import assemble_data
from stfw.build import Build
from stfw.config import compose
from stfw.data.datamodule import VideoDataModule
from stfw.data.multigrid import Multigrid, Shape
from stfw.tasks.grid_schedule import follow_grid, grid_steps, planned_steps
from stfw.tasks.schedules import constant, multistep, onecycle
from stfw.types import UserError, VideoInfo
from tests.command_line import TINY

HALF = round(math.sqrt(0.5), 6)
# Wu et al. 2020, 3.2: (frames, side, batch) of the long cycle, of T x S x S in batches of B
PAPER = [(1 / 4, HALF, 8), (1 / 2, HALF, 4), (1 / 2, 1, 2), (1, 1, 1)]


def as_paper(shape: Shape) -> tuple[float, float, int]:
    return 1 / shape.divisor, round(shape.side, 6), shape.num_videos


def test_the_long_cycle_has_the_paper_s_shapes_in_its_order() -> None:
    grid = Multigrid(16, 100, short_cycle=False, milestones=[0.5])
    told = [as_paper(cycle[0]) for cycle in dict.fromkeys(grid.cycle(e) for e in range(100))]
    assert told == PAPER
    assert [as_paper(shape) for shape in grid.shapes] == PAPER
    factors = [grid.lr_factor(epoch) for epoch in range(100)]
    assert factors == sorted(factors, reverse=True)
    assert set(factors) == {8.0, 4.0, 2.0, 1.0}


def test_the_short_cycle_changes_the_side_and_leaves_the_rate_alone() -> None:
    grid = Multigrid(6, 10, long_cycle=False)
    assert [as_paper(s) for s in grid.cycle(0)] == [(1, 0.5, 4), (1, HALF, 2), (1, 1, 1)]
    assert {grid.lr_factor(epoch) for epoch in range(10)} == {1.0}


def test_both_cycles_nest() -> None:
    grid = Multigrid(16, 100)
    smallest = (1 / 4, HALF, 8)
    assert [as_paper(s) for s in grid.cycle(0)] == [(1 / 4, 0.5, 16), smallest, smallest]
    assert [as_paper(s) for s in grid.cycle(99)] == [(1, 0.5, 4), (1, HALF, 2), (1, 1, 1)]


@pytest.mark.parametrize(("long", "short"), [(True, True), (True, False), (False, True)])
def test_batch_x_frames_x_pixels_stays_about_the_same(long: bool, short: bool) -> None:
    for shape in Multigrid(16, 10, long, short).shapes:
        frames, side = 16 // shape.divisor, round(224 * shape.side)
        cost = shape.num_videos * frames * side**2
        assert cost == pytest.approx(16 * 224**2, rel=0.02)


def test_every_shape_of_a_long_cycle_takes_as_many_steps() -> None:
    grid = Multigrid(16, 240, short_cycle=False, milestones=[0.4, 0.8])
    steps: dict[Shape, float] = {}
    for epoch in range(240):
        shape = grid.cycle(epoch)[0]
        steps[shape] = steps.get(shape, 0) + 1 / shape.num_videos
    *small, full = steps.values()
    assert small == pytest.approx([small[0]] * 3, rel=0.1)
    # the rest of the run, 0.2 of it, is at the full shape; the cycles share the 0.8
    assert full / sum(steps.values()) == pytest.approx(0.2 + 0.8 / 4, rel=0.05)


@pytest.mark.parametrize("num_epochs", [1, 2, 7, 40])
def test_the_last_epoch_has_the_full_shape(num_epochs: int) -> None:
    assert Multigrid(8, num_epochs).cycle(num_epochs - 1)[-1] == Shape(1, 1.0)


def data_module(*overrides: str) -> VideoDataModule:
    words = [*TINY, "trainer.max_epochs=6", "data.batch_size=1", *overrides]
    return assemble_data(compose("train", words).cfg, Build())


def test_training_batches_have_the_shapes() -> None:
    data = data_module("multigrid=long_short")
    batches = data.train_batches()
    seen = {}
    for epoch in (0, 5):
        batches.set_epoch(epoch)
        loader = data._load(data.dataset("train"), "train", batches)
        rows = [tuple(batch["rgb"].shape) for batch in loader]
        assert sum(shape[0] for shape in rows) == 16
        assert len(rows) == len(batches)
        seen[epoch] = [(B, T, H) for B, _, _, _, T, H, _ in rows]
    assert seen[0] == [(16, 1, 8)]
    assert seen[5][:6] == [(4, 4, 8), (2, 4, 11), (1, 4, 16)] * 2
    assert tuple(data.dataset("val")[0]["rgb"].shape[-3:]) == (4, 16, 16)


def test_smaller_clips_span_the_same_seconds() -> None:
    data = data_module("multigrid=long", "clip.num_frames=8", "clip.frame_interval=1")
    info = VideoInfo("x", num_frames=20, fps=10.0, height=32, width=32)
    full, quarter = data.sampler(info, None)[0], data.shapes[0][0](info, None)[0]
    assert np.diff(full.frames_NT).tolist() == [[1] * 7]
    assert np.diff(quarter.frames_NT).tolist() == [[4]]


def test_the_learning_rate_grows_with_the_batch_and_drops_at_the_end_of_a_cycle() -> None:
    grid = Multigrid(16, 60, short_cycle=False, milestones=[0.5, 0.75])
    data = SimpleNamespace(grid=grid, train_batches=partial(_Batches, grid))
    steps = grid_steps(data, 60, 1, 1, None)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    scheduler = multistep(optimizer, sum(steps), 60, milestones=[0.5, 0.75])
    follow_grid([{"scheduler": scheduler}], steps, grid)
    by_epoch = []
    for number in steps:
        by_epoch.append(optimizer.param_groups[0]["lr"])
        for _ in range(number):
            optimizer.step()
            scheduler.step()
    assert by_epoch[0] == pytest.approx(0.1 * 8)
    assert by_epoch[-1] == pytest.approx(0.001)
    again = next(e for e in range(1, 60) if grid.lr_factor(e) > grid.lr_factor(e - 1))
    assert sum(steps[:again]) / sum(steps) == pytest.approx(0.5, abs=0.04)  # a new cycle: the drop
    assert by_epoch[again + 1] == pytest.approx(0.1 * 8 * 0.1)


class _Batches:
    """So many batches of 160 videos."""

    def __init__(self, grid: Multigrid, world_size: int) -> None:
        self.grid, self.epoch = grid, 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return 160 // self.grid.cycle(self.epoch)[0].num_videos


def test_accumulated_and_limited_batches_make_fewer_steps() -> None:
    grid = Multigrid(16, 4, long_cycle=False, short_cycle=True)
    data = SimpleNamespace(train_batches=partial(_Batches, grid))
    assert grid_steps(data, 2, 1, 1, None) == [40, 40]
    assert grid_steps(data, 2, 1, 3, None) == [14, 14]
    assert grid_steps(data, 2, 1, 1, 2) == [2, 2]
    assert grid_steps(data, 2, 1, 1, 0.5) == [20, 20]
    trainer = SimpleNamespace(
        datamodule=SimpleNamespace(grid=grid, train_batches=data.train_batches), max_epochs=3,
        world_size=1, accumulate_grad_batches=1, limit_train_batches=1.0, max_steps=-1,
    )  # fmt: skip
    assert planned_steps(trainer) == [40, 40, 40]
    trainer.max_steps = 50
    assert planned_steps(trainer) == [40, 10, 0]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Multigrid(10, 4), "a quarter of clip.num_frames=10"),
        (lambda: Multigrid(8, 4, False, False), "switch on long_cycle or short_cycle"),
        (lambda: Multigrid(8, 4, milestones=[0.7, 0.5]), "must rise between 0 and 1"),
        (
            lambda: data_module("multigrid=long", "streams=rgb_flow_stack"),
            "a stream that stacks its frames",
        ),
    ],
)
def test_mistakes_are_named(make: object, message: str) -> None:
    with pytest.raises(UserError, match=message):
        make()  # type: ignore[operator]


def test_schedules_that_cannot_follow_are_refused() -> None:
    grid = Multigrid(8, 4)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1, momentum=0.9)
    cycle = onecycle(optimizer, 4, 4)
    with pytest.raises(UserError, match="onecycle and plateau cannot follow"):
        follow_grid([{"scheduler": cycle}], [1] * 4, grid)
    follow_grid([{"scheduler": constant(optimizer, 4, 4)}], [1] * 4, grid)
