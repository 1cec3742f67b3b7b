"""Which videos make which batch, over ranks and epochs."""

from __future__ import annotations

import itertools

import pytest

from stfw.data.batches import EvalBatches, TrainBatches


def indices(batches: object) -> list[list[int]]:
    return [[index for _, index, _ in batch] for batch in batches]  # type: ignore[attr-defined]


def test_an_epoch_holds_every_video_once() -> None:
    batches = TrainBatches(10, 4, seed=0)
    assert len(batches) == len(list(batches)) == 3
    assert sorted(itertools.chain(*indices(batches))) == list(range(10))


def test_epochs_differ_and_repeat() -> None:
    batches = TrainBatches(50, 10, seed=0)
    first = indices(batches)
    batches.sampler.set_epoch(1)
    second = indices(batches)
    assert first != second
    assert all(epoch == 1 for batch in batches for epoch, _, _ in batch)
    batches.set_epoch(0)
    assert indices(batches) == first
    assert indices(TrainBatches(50, 10, seed=1)) != first


def test_two_ranks_see_the_global_batches_of_one() -> None:
    whole = indices(TrainBatches(32, 8, seed=3))
    left, right = (indices(TrainBatches(32, 4, seed=3, rank=r, world_size=2)) for r in (0, 1))
    assert [sorted(a + b) for a, b in zip(left, right, strict=True)] == [sorted(b) for b in whole]


@pytest.mark.parametrize("num_videos", [1, 2, 3, 5, 7, 9])
def test_ranks_train_equally_often_whatever_is_left_over(num_videos: int) -> None:
    ranks = [indices(TrainBatches(num_videos, 2, 0, rank, 2)) for rank in (0, 1)]
    assert [len(batch) for batch in ranks[0]] == [len(batch) for batch in ranks[1]]
    seen = set(itertools.chain(*ranks[0], *ranks[1]))
    assert seen == set(range(num_videos))
    assert len(ranks[0]) == len(TrainBatches(num_videos, 2, 0, 0, 2))


@pytest.mark.parametrize("num_videos", [1, 2, 3, 5, 7])
def test_evaluation_sees_each_video_once_over_all_ranks(num_videos: int) -> None:
    ranks = [indices(EvalBatches(num_videos, 2, rank, 2)) for rank in (0, 1)]
    seen = sorted(itertools.chain(*ranks[0], *ranks[1]))
    assert seen == list(range(num_videos))
    assert [len(r) for r in ranks] == [len(EvalBatches(num_videos, 2, r, 2)) for r in (0, 1)]
