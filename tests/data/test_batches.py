"""Which videos make which batch, over ranks and epochs."""

from __future__ import annotations

import itertools

import pytest

from stfw.data.batches import EvalBatches, TrainBatches, balanced


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


LABELS = [(0,)] * 40 + [(1,)] * 8 + [(2,)] * 2


def drawn(balance: str, epochs: int = 1) -> tuple[list[int], list[int]]:
    """How often each class, and each video, comes."""
    draws = balanced(LABELS, balance)  # type: ignore[arg-type]
    classes, videos = [0, 0, 0], [0] * 50
    for epoch in range(epochs):
        batches = TrainBatches(50, 6, seed=0, draws=draws)
        batches.set_epoch(epoch)
        for index in itertools.chain(*indices(batches)):
            classes[LABELS[index][0]] += 1
            videos[index] += 1
    return classes, videos


def test_rare_classes_are_drawn_as_often() -> None:
    classes, videos = drawn("class")
    assert sum(classes) == 50
    assert all(count in (16, 17) for count in classes)
    assert set(videos[48:]) <= {8, 9}  # and their videos evenly
    assert set(videos[40:48]) <= {2, 3}
    assert set(videos[:40]) <= {0, 1}
    _, videos = drawn("class", epochs=12)
    assert min(videos[:40]) >= 1  # others every time


def test_half_way_is_by_the_roots_of_their_sizes() -> None:
    classes, _ = drawn("sqrt")
    roots = [40**0.5, 8**0.5, 2**0.5]
    for count, root in zip(classes, roots, strict=True):
        assert abs(count - 50 * root / sum(roots)) < 1
    assert drawn("none")[0] == [40, 8, 2]
    assert balanced(LABELS, "none") is None


def test_of_several_labels_the_rarest_counts() -> None:
    draws = balanced([(0, 1), (0,), (0,), (0, 2), (1,)], "class")
    assert draws is not None
    assert draws.class_N.tolist() == [1, 0, 0, 2, 1]
    expected = [1 / 2, 1 / 4, 1 / 4, 1, 1 / 2]  # one over the videos with that class
    assert draws.share_N.tolist() == pytest.approx([x / sum(expected) for x in expected])


def test_a_balanced_epoch_is_the_same_on_two_ranks() -> None:
    draws = balanced(LABELS, "class")
    whole = indices(TrainBatches(50, 10, 3, draws=draws))
    ranks = [indices(TrainBatches(50, 5, 3, rank, 2, draws)) for rank in (0, 1)]
    assert [sorted(a + b) for a, b in zip(*ranks, strict=True)] == [sorted(b) for b in whole]
