"""Scores of the task, against arithmetic."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import nn

from stfw.tasks.classification import Classification


class Table(nn.Module):
    """Gives logits that stand in the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, batch: dict) -> torch.Tensor:
        return self.scale * batch["logits"]


def task(num_classes: int) -> Classification:
    return Classification(
        Table(),
        nn.Identity(),
        nn.CrossEntropyLoss(label_smoothing=0.1),
        [str(k) for k in range(num_classes)],
        partial(torch.optim.SGD, lr=0.1),
    )


def evaluate(module: Classification, logits_BVK: torch.Tensor, label_B: torch.Tensor) -> dict:
    for begin in range(0, len(label_B), 3):  # a last batch of another size
        rows = slice(begin, begin + 3)
        names = [f"v{i}" for i in range(begin, min(begin + 3, len(label_B)))]
        batch = {"logits": logits_BVK[rows], "label": label_B[rows], "video_id": names}
        module._evaluate(batch, module.test_loss, module.test_scores)
    return {k: float(v) for k, v in module.test_scores.compute().items()} | {
        "loss": float(module.test_loss.compute())
    }


@pytest.mark.parametrize("num_classes", [3, 9])
def test_scores_are_those_of_the_mean_probability(num_classes: int) -> None:
    torch.manual_seed(0)
    logits_BVK, label_B = torch.randn(10, 4, num_classes), torch.randint(num_classes, (10,))
    scores = evaluate(task(num_classes), logits_BVK, label_B)
    mean_BK = logits_BVK.softmax(-1).mean(1)
    right_B = mean_BK.argmax(-1) == label_B
    assert scores["test/top1"] == pytest.approx(right_B.float().mean().item())
    in_five_B = (mean_BK.topk(min(5, num_classes)).indices == label_B[:, None]).any(-1)
    assert scores["test/top5"] == pytest.approx(in_five_B.float().mean().item())
    per_class = [right_B[label_B == k].float().mean().item() for k in label_B.unique()]
    if set(mean_BK.argmax(-1).tolist()) <= set(label_B.tolist()):
        expected = sum(per_class) / len(per_class)
        assert scores["test/mean_class_acc"] == pytest.approx(expected)
    expected_loss = -mean_BK[torch.arange(10), label_B].log().mean().item()
    assert scores["loss"] == pytest.approx(expected_loss, rel=1e-5)


def test_a_first_batch_that_is_all_right_does_not_merge_top1_and_top5() -> None:
    logits_BVK = torch.zeros(6, 1, 8)
    label_B = torch.arange(6)
    logits_BVK[torch.arange(3), 0, torch.arange(3)] = 5  # right
    logits_BVK[3:, 0, 7] = 5  # wrong, but the label is among the five best
    logits_BVK[torch.arange(3, 6), 0, torch.arange(3, 6)] = 4
    scores = evaluate(task(8), logits_BVK, label_B)
    assert scores["test/top1"] == pytest.approx(0.5)
    assert scores["test/top5"] == pytest.approx(1.0)


def test_predictions_come_in_order_of_video() -> None:
    module = task(3)
    evaluate(module, torch.randn(5, 1, 3), torch.zeros(5, dtype=torch.long))
    rows = module.gathered_predictions()
    assert [row[0] for row in rows] == ["v0", "v1", "v2", "v3", "v4"]
    assert all(sum(row[2]) == pytest.approx(1) for row in rows)


def test_several_labels_score_each_class_on_its_own() -> None:
    from torchmetrics.functional.classification import multilabel_average_precision

    torch.manual_seed(0)
    module = Classification(
        Table(),
        nn.Identity(),
        nn.BCEWithLogitsLoss(),
        ["a", "b", "c", "d"],
        partial(torch.optim.SGD, lr=0.1),
        multi_label=True,
    )
    logits_BVK = torch.randn(9, 2, 4)
    label_BK = torch.randint(0, 2, (9, 4)).float()
    label_BK[0] = torch.tensor([1.0, 0, 0, 1])
    scores = evaluate(module, logits_BVK, label_BK)
    mean_BK = logits_BVK.sigmoid().mean(1)
    expected = multilabel_average_precision(mean_BK, label_BK.long(), num_labels=4)
    assert scores["test/mAP"] == pytest.approx(float(expected))
    right_B = label_BK.gather(1, mean_BK.argmax(1, keepdim=True))
    assert scores["test/top1"] == pytest.approx(float(right_B.mean()))
    rows = {name: label for name, label, _ in module.gathered_predictions()}
    assert rows["v0"] == (0, 3)


def test_mixed_labels_are_what_the_loss_sees() -> None:
    seen = []

    class Loss(nn.Module):
        def forward(self, logits_BK: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
            seen.append(target)
            return logits_BK.sum()

    class Mix(nn.Module):
        def forward(self, batch: dict) -> dict:
            return batch | {"target": torch.tensor([[0.25, 0.75], [1.0, 0.0]])}

    module = Classification(Table(), Mix(), Loss(), ["a", "b"], partial(torch.optim.SGD, lr=0.1))
    module.log = lambda *_, **__: None  # type: ignore[method-assign,assignment]  # no trainer
    batch = {"logits": torch.randn(2, 2, 2), "label": torch.tensor([1, 0])}
    module.training_step(batch, 0)
    assert seen[0].tolist() == [[0.25, 0.75], [0.25, 0.75], [1.0, 0.0], [1.0, 0.0]]
