"""Real clips, from the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

Call = Callable[..., tuple[int, str, str]]
SMALL = [
    "trainer=debug",
    "data.batch_size=2",
    "data.eval_batch_size=2",
    "data.num_workers=0",
    "clip.short_side=40",
    "clip.crop_size=32",
]


def test_surveillance_clips_divided_by_scene(
    stfw: Call, shared_videos: Path, tmp_path: Path
) -> None:
    root = shared_videos / "surv_fight"
    words = ["data=folder", f"data.root={root}", "data.groups=groups.csv", *SMALL]
    status, told, error = stfw("train", *words, f"output_dir={tmp_path / 'run'}")
    assert status == 0, error
    splits = json.loads((tmp_path / "run" / "run.json").read_text())["data"]["splits"]
    assert sum(split["num_videos"] for split in splits.values()) == 210
    assert splits["test"]["per_class"]["fight"] > 10
    clip = root / "fight" / "fi001.mp4"
    status, told, _ = stfw("predict", str(tmp_path / "run"), str(clip))
    assert status == 0
    assert {"fight", "noFight"} & set(told.split())


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("tsm", ["encoder.name=resnet18"]),
        ("two_stream_i3d", ["clip.num_frames=16"]),
        ("slowfast_r50_4x16", ["clip.num_frames=8"]),
        ("videomae_s", ["clip.num_frames=4", "encoder.depth=3"]),
        ("three_stream", ["clip.num_frames=8"]),  # the clips have no sound
    ],
)
def test_networks_of_every_kind_train_on_surveillance_clips(
    stfw: Call, shared_videos: Path, tmp_path: Path, model: str, words: list[str]
) -> None:
    root = shared_videos / "surv_fight"
    few = [f"trainer.limit_{split}_batches=1" for split in ("train", "val", "test")]
    call = ["data=folder", f"data.root={root}", "data.groups=groups.csv", f"model={model}"]
    status, told, error = stfw(
        "train", *call, *SMALL, *few, *words, f"output_dir={tmp_path / 'run'}"
    )
    assert status == 0, error
    assert told.strip().splitlines()[-1].startswith("test/top1")
    rows = (tmp_path / "run" / "predictions.csv").read_text().splitlines()
    assert len(rows) == 1 + 2
    assert all(0 <= float(score) <= 1 for row in rows[1:] for score in row.split(",")[-2:])


@pytest.mark.parametrize("model", ["stconv", "lrcn"])
def test_ucf101_with_five_of_its_clips(
    stfw: Call, shared_videos: Path, tmp_path: Path, model: str
) -> None:
    words = ["data=ucf101", f"data.root={shared_videos / 'UCF-101'}", "data.split=1", *SMALL]
    status, _, error = stfw("train", *words, f"output_dir={tmp_path / 'run'}")
    assert status == 2
    assert "1 of 9537 training videos and 4 of 3783 test videos" in error
    assert len([line for line in error.splitlines() if line]) == 1
    assert not (tmp_path / "run").exists()
    words += ["data.allow_missing=true", f"model={model}"]
    status, told, error = stfw("train", *words, f"output_dir={tmp_path / 'run'}")
    assert status == 0, error
    assert told.strip().splitlines()[-1].startswith("test/top1")


def test_a_batch_too_small_for_batch_norm_is_one_sentence(
    stfw: Call, shared_videos: Path, tmp_path: Path
) -> None:
    words = ["data=ucf101", f"data.root={shared_videos / 'UCF-101'}", "data.allow_missing=true"]
    words += ["model=frame_cnn", *SMALL, f"output_dir={tmp_path / 'run'}"]
    status, _, error = stfw("train", *words)  # one training video, maps of one pixel
    assert status == 2
    assert "a training batch of one video is too small" in error


def test_a_table_of_parts_of_real_clips(stfw: Call, shared_videos: Path, tmp_path: Path) -> None:
    rows = ["path,label,start_sec,end_sec,split,group"]
    for name, label in (("bbaf2n.mpg", "one"), ("brbk7n.mpg", "two")):
        for begin, split in ((0, "train"), (1, "val"), (2, "test")):
            where = f"{shared_videos / 'grid' / name},{label},{begin},{begin + 1}"
            rows.append(f"{where},{split},{label} {split}")
    (tmp_path / "parts.csv").write_text("\n".join(rows) + "\n")
    words = ["data=table", f"data.path={tmp_path / 'parts.csv'}", *SMALL]
    status, told, error = stfw("train", *words, f"output_dir={tmp_path / 'run'}")
    assert status == 0, error
    assert told.strip().splitlines()[-1].startswith("test/top1")
