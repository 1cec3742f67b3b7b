"""Losses against their formulas."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from stfw.assemble import assemble_task
from stfw.build import Build
from stfw.config import compose
from stfw.tasks.losses import (
    BinaryCrossEntropy,
    CrossEntropy,
    Focal,
    SigmoidFocal,
    shares,
    weights_of,
)
from stfw.transforms.batch import CutMix, Facts, MixUp
from stfw.types import Record, UserError

torch.manual_seed(0)
LOGITS = torch.randn(5, 3)
LABEL = torch.tensor([0, 1, 2, 1, 1])
TARGET = torch.tensor([[0.7, 0.3, 0], [0, 1, 0], [0.5, 0, 0.5], [1, 0, 0], [0, 0.2, 0.8]])


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("target", [LABEL, TARGET])
def test_without_weights_it_is_torch_s_to_the_last_bit(
    smoothing: float, target: torch.Tensor
) -> None:
    ours = CrossEntropy(smoothing)(LOGITS, target)
    assert torch.equal(ours, nn.CrossEntropyLoss(label_smoothing=smoothing)(LOGITS, target))


def test_smoothing_spreads_a_share_of_labels_and_of_mixed_labels() -> None:
    for target in (LABEL, TARGET):
        smooth = shares(target, LOGITS) * 0.9 + 0.1 / 3
        expected = -(smooth * LOGITS.log_softmax(1)).sum(1).mean()
        torch.testing.assert_close(CrossEntropy(0.1)(LOGITS, target), expected)


@pytest.mark.parametrize("step", [MixUp(alpha=1.0), CutMix(prob=1.0)])
def test_mixed_batches_meet_the_smoothed_loss(step: nn.Module) -> None:
    """Label smoothing x mixup: the share of the classes, then the smoothing, by arithmetic."""
    torch.manual_seed(1)
    x = torch.randn(5, 1, 1, 3, 2, 8, 8)
    batch = {"rgb": x, "label": LABEL}
    step.train()(batch, Facts({"rgb": "rgb"}, 3))
    share = batch["target"][0, 0]  # of the first video's own class; its neighbour is the last
    assert 0 < share < 1
    own, neighbour = torch.eye(3)[LABEL], torch.eye(3)[LABEL.roll(1)]
    mixed = (share * own + (1 - share) * neighbour) * 0.9 + 0.1 / 3
    expected = -(mixed * LOGITS.log_softmax(1)).sum(1).mean()
    torch.testing.assert_close(CrossEntropy(0.1)(LOGITS, batch["target"]), expected)


@pytest.mark.parametrize("rule", ["inverse", "sqrt", "effective"])
def test_weights_follow_their_rule_and_are_one_on_average(rule: str) -> None:
    counts = [100, 10, 1]
    weight = weights_of(counts, rule)  # type: ignore[arg-type]
    assert float((weight * torch.tensor(counts)).sum()) == pytest.approx(111)
    ratio = {
        "inverse": 10.0,
        "sqrt": math.sqrt(10),
        "effective": (1 - 0.999**100) / (1 - 0.999**10),
    }
    assert float(weight[1] / weight[0]) == pytest.approx(ratio[rule], rel=1e-5)


@pytest.mark.parametrize("make", [lambda w: CrossEntropy(0.0, w), lambda w: Focal(0.0, w)])
def test_a_video_counts_by_the_weight_of_its_class(make: object) -> None:
    loss = make("inverse")  # type: ignore[operator]
    loss.set_counts([2, 6, 4], 12)
    weight = weights_of([2, 6, 4], "inverse")
    nll = -LOGITS.log_softmax(1)[torch.arange(5), LABEL]
    torch.testing.assert_close(loss(LOGITS, LABEL), (weight[LABEL] * nll).mean())
    # a label and the same label as shares are the same target
    torch.testing.assert_close(loss(LOGITS, torch.eye(3)[LABEL]), loss(LOGITS, LABEL))
    assert not loss.state_dict()  # nothing that a checkpoint would have to fit


def test_focal_is_its_formula() -> None:
    p = LOGITS.softmax(1)[torch.arange(5), LABEL]
    expected = (-((1 - p) ** 2) * p.log()).mean()
    torch.testing.assert_close(Focal(gamma=2.0)(LOGITS, LABEL), expected)
    torch.testing.assert_close(Focal(0.0)(LOGITS, LABEL), nn.CrossEntropyLoss()(LOGITS, LABEL))
    p_BK = LOGITS.softmax(1)
    mixed = -(TARGET * (1 - p_BK) ** 2 * p_BK.log()).sum(1).mean()
    torch.testing.assert_close(Focal(gamma=2.0)(LOGITS, TARGET), mixed)


def test_sigmoid_focal_is_its_formula() -> None:
    several = torch.tensor([[1.0, 0, 1], [0, 0, 0], [0, 1, 0], [1, 1, 1], [0, 0, 1]])
    p = LOGITS.sigmoid()
    right = torch.where(several == 1, p, 1 - p)
    alpha = torch.where(several == 1, 0.25, 0.75)
    each = -alpha * (1 - right) ** 2 * right.log()
    torch.testing.assert_close(SigmoidFocal()(LOGITS, several), each.mean())
    torch.testing.assert_close(SigmoidFocal(sum_classes=True)(LOGITS, several), each.mean() * 3)
    one = torch.eye(3)[LABEL]
    torch.testing.assert_close(SigmoidFocal()(LOGITS, LABEL), SigmoidFocal()(LOGITS, one))


def test_binary_cross_entropy_of_one_label_several_and_shares() -> None:
    one = torch.eye(3)[LABEL]
    loss = BinaryCrossEntropy()
    assert torch.equal(loss(LOGITS, one), nn.BCEWithLogitsLoss()(LOGITS, one))
    assert torch.equal(loss(LOGITS, LABEL), loss(LOGITS, one))
    smooth = BinaryCrossEntropy(label_smoothing=0.2, sum_classes=True)(LOGITS, TARGET)
    expected = nn.BCEWithLogitsLoss(reduction="none")(LOGITS, TARGET * 0.8 + 0.1).sum(1).mean()
    torch.testing.assert_close(smooth, expected)


def test_rare_positives_weigh_as_much_as_their_absence() -> None:
    loss = BinaryCrossEntropy(pos_weight="balanced")
    loss.set_counts([1, 5, 10], 10)
    assert loss.pos_weight_K is not None
    assert loss.pos_weight_K.tolist() == pytest.approx([9.0, 1.0, 0.1])
    one = torch.eye(3)[LABEL]
    expected = nn.BCEWithLogitsLoss(pos_weight=torch.tensor([9.0, 1.0, 0.1]))(LOGITS, one)
    torch.testing.assert_close(loss(LOGITS, LABEL), expected)


def test_a_run_counts_its_training_videos() -> None:
    cfg = compose("train", ["loss.class_weights=inverse"]).cfg
    records = [Record(f"v{i}", "x", label) for i, label in enumerate([0, 0, 0, 1])]
    network = nn.Linear(2, 2)
    task = assemble_task(cfg, Build(), network, ["a", "b"], records)
    assert task.loss.weight_K.tolist() == pytest.approx([2 / 3, 2.0])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CrossEntropy(1.5), "loss.label_smoothing=1.5 is not in 0..1"),
        (lambda: Focal(-1), "loss.gamma=-1 is below 0"),
        (lambda: SigmoidFocal(alpha=2), "loss.alpha=2 is not in 0..1"),
        (
            lambda: CrossEntropy(0.0, [1.0, 2.0]).set_counts([1, 1, 1], 3),
            "loss.class_weights has 2 numbers, and the data 3 classes",
        ),
    ],
)
def test_mistakes_are_named(make: object, message: str) -> None:
    with pytest.raises(UserError, match=message):
        make()  # type: ignore[operator]
