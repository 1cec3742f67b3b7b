"""Transforms of batches against their definitions."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from stfw.transforms.batch import BatchPipeline, CutMix, Facts, MixUp, Normalize, SpecAugment

KINDS = {"rgb": "rgb", "flow": "flow", "audio": "audio"}
FACTS = Facts(KINDS, num_classes=4)


def batch() -> dict[str, Any]:
    """Three videos, each of one number: 10, 20, 30; labels 0, 1, 2."""
    value = torch.tensor([10, 20, 30]).view(3, 1, 1, 1, 1, 1, 1)
    return {
        "rgb": value.expand(3, 1, 1, 3, 2, 8, 8).to(torch.uint8),
        "flow": value.expand(3, 1, 1, 2, 2, 4, 4).to(torch.uint8),
        "audio": value.view(3, 1, 1, 1, 1, 1).expand(3, 1, 1, 1, 16, 20).float(),
        "label": torch.tensor([0, 1, 2]),
    }


def test_normalise_brings_each_kind_to_its_scale() -> None:
    made = batch()
    made["flow"][:] = torch.tensor(255, dtype=torch.uint8)
    Normalize((0.5, 0.5, 0.25), (0.5, 0.5, 0.25), audio_mean=10, audio_std=5)(made, FACTS)
    assert made["rgb"][1, 0, 0, :, 0, 0, 0] == pytest.approx(
        torch.tensor([20 / 127.5 - 1, 20 / 127.5 - 1, 20 / 63.75 - 1])
    )
    assert (made["flow"] == 2.0).all()
    assert made["audio"][:, 0, 0, 0, 0, 0].tolist() == [0.0, 2.0, 4.0]
    made["flow"] = torch.zeros(1, dtype=torch.uint8)
    Normalize(motion_std=0.5)(made, FACTS)
    assert made["flow"].item() == -1.0


def test_mixup_blends_neighbours_and_their_labels_by_one_share() -> None:
    torch.manual_seed(0)
    made = batch()
    Normalize((0.0,) * 3, (1 / 255,) * 3, 0, 1)(made, FACTS)
    MixUp(alpha=1.0).train()(made, FACTS)
    share = float(made["target"][0, 0])
    assert 0 < share < 1
    expected = share * torch.eye(4)[:3] + (1 - share) * torch.eye(4)[[2, 0, 1]]
    assert torch.allclose(made["target"], expected)
    values = share * torch.tensor([10.0, 20, 30]) + (1 - share) * torch.tensor([30.0, 10, 20])
    for name in ("rgb", "audio"):
        assert torch.allclose(made[name].flatten(1)[:, 0], values)


def test_cutmix_labels_are_the_area_of_the_box() -> None:
    torch.manual_seed(1)
    for _ in range(20):
        made = batch()
        CutMix(prob=1.0).train()(made, FACTS)
        foreign = (made["rgb"][1, 0, 0, 0, 0] == 10).float().mean()
        assert float(made["target"][1, 0]) == pytest.approx(float(foreign), abs=0.25)
        assert float(made["target"].sum()) == pytest.approx(3)
        same = made["rgb"][1, 0, 0] == made["rgb"][1, 0, 0, :1, :1]
        assert same.all()  # the same box in all frames


def test_spec_augment_blanks_bands_of_sound_alone() -> None:
    torch.manual_seed(0)
    made = batch()
    before = made["rgb"].clone()
    SpecAugment(max_mels=4, max_steps=5, num_masks=1).train()(made, FACTS)
    assert torch.equal(made["rgb"], before)
    blank = made["audio"][:, 0, 0, 0] == 0
    for blank_ML in blank:
        rows, columns = blank_ML.all(1), blank_ML.all(0)
        assert rows.sum() <= 4
        assert columns.sum() <= 5
        assert (blank_ML == (rows[:, None] | columns[None])).all()
    assert blank.any()


@pytest.mark.parametrize("step", [MixUp(), CutMix(prob=1.0), SpecAugment()])
def test_evaluation_augments_nothing(step: torch.nn.Module) -> None:
    made, before = batch(), batch()
    step.eval()(made, FACTS)
    assert "target" not in made
    assert all(torch.equal(made[name], before[name]) for name in KINDS)


def test_the_pipeline_switches_its_steps_with_itself() -> None:
    pipeline = BatchPipeline({"mixup": MixUp(), "cutmix": None}, KINDS, 4)
    assert "target" not in pipeline.eval()(batch())  # type: ignore[arg-type]
    assert "target" in pipeline.train()(batch())  # type: ignore[arg-type]
