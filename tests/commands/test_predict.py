"""``stfw test``, ``stfw predict`` and ``stfw.load`` on a finished run."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

Call = Callable[..., tuple[int, str, str]]


def first_prediction(run: Path, name: str = "predictions.csv") -> dict[str, str]:
    return next(csv.DictReader((run / name).open()))


def test_testing_again_gives_the_run_s_own_numbers(stfw: Call, tiny_run: Path) -> None:
    status, told, _ = stfw("test", f"run={tiny_run}")
    assert status == 0
    known = json.loads((tiny_run / "run.json").read_text())["metrics"]["test/top1"]
    assert f"test/top1 {known:.4f}" in told
    again = (tiny_run / "predictions_1x1.csv").read_text()
    assert again == (tiny_run / "predictions.csv").read_text()


def test_views_are_averaged(stfw: Call, tiny_run: Path) -> None:
    status, told, _ = stfw("test", f"run={tiny_run}", "views=3x3")
    assert status == 0
    assert "views 3x3" in told
    one, nine = (first_prediction(tiny_run, f"predictions{n}.csv") for n in ("", "_3x3"))
    assert one["video_id"] == nine["video_id"]
    assert one["score/right"] != nine["score/right"]
    assert "3x3" in json.loads((tiny_run / "run.json").read_text())["tests"]


def test_another_clip_reaches_the_sampler(stfw: Call, tiny_run: Path) -> None:
    from stfw.inference import open_checkpoint

    _, cfg, _ = open_checkpoint(str(tiny_run))
    assert (cfg.sampler.crop_size, cfg.sampler.short_side, cfg.sampler.num_frames) == (16, 24, 4)
    cfg.clip.crop_size, cfg.clip.short_side = 20, 28
    assert (cfg.sampler.crop_size, cfg.sampler.short_side) == (20, 28)
    words = ["clip.crop_size=20", "clip.short_side=28", "views=1x3"]
    assert stfw("test", f"run={tiny_run}", *words)[0] == 0
    larger = first_prediction(tiny_run, "predictions_1x3.csv")
    assert stfw("test", f"run={tiny_run}", "views=1x3")[0] == 0
    assert larger != first_prediction(tiny_run, "predictions_1x3.csv")


def test_unknown_keys_of_a_run_are_refused(stfw: Call, tiny_run: Path) -> None:
    status, _, told = stfw("test", f"run={tiny_run}", "data.bach_size=3")
    assert status == 2
    assert "did you mean 'batch_size'?" in told


def test_a_checkpoint_alone_is_enough(stfw: Call, tiny_run: Path, tmp_path: Path) -> None:
    alone = tmp_path / "alone.ckpt"
    shutil.copy(tiny_run / "checkpoints" / "best.ckpt", alone)
    status, _, _ = stfw("test", f"run={alone}")
    assert status == 0
    assert (tmp_path / "predictions_1x1.csv").is_file()


@pytest.mark.parametrize("name", ["a b.mp4", "clip (1), x=2.mp4", "förö—映像.mp4", "-v.mp4"])
def test_files_of_any_name_get_the_scores_of_the_test(
    stfw: Call, tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    row = first_prediction(tiny_run)
    shutil.copy(row["path"], tmp_path / name)
    monkeypatch.chdir(tmp_path)
    status, told, _ = stfw("predict", "--json", str(tiny_run), f"./{name}")
    assert status == 0
    (result,) = json.loads(told)
    assert len(result["top"]) == 5
    best = result["top"][0]
    assert best["probability"] == pytest.approx(float(row[f"score/{best['class']}"]), abs=1e-4)
    probabilities = [entry["probability"] for entry in result["top"]]
    assert probabilities == sorted(probabilities, reverse=True)


def test_a_folder_is_searched_and_a_bad_file_does_not_hide_the_good(
    stfw: Call, tiny_run: Path, tmp_path: Path
) -> None:
    (tmp_path / "deep").mkdir()
    shutil.copy(first_prediction(tiny_run)["path"], tmp_path / "deep" / "good.MP4")
    (tmp_path / "bad.mp4").write_text("no video")
    status, told, error = stfw("predict", str(tiny_run), str(tmp_path))
    assert status == 2
    assert "good.MP4" in told
    assert "bad.mp4\terror: " in told
    assert "1 of 2 files could not be read" in error


def test_three_lines_of_python(tiny_run: Path) -> None:
    import stfw

    row = first_prediction(tiny_run)
    model = stfw.load(str(tiny_run))
    name, probability = model.predict(row["path"])[0]
    assert name in model.classes
    assert probability == pytest.approx(float(row[f"score/{name}"]), abs=1e-4)


def test_a_checkpoint_whose_config_calls_something_else_is_refused(
    stfw: Call, tiny_run: Path, tmp_path: Path
) -> None:
    import torch

    content = torch.load(tiny_run / "checkpoints" / "best.ckpt", weights_only=True)
    marker = tmp_path / "marker"
    content["stfw"]["config"]["encoder"] = {"_target_": "os.system", "command": f"touch {marker}"}
    evil = tmp_path / "evil.ckpt"
    torch.save(content, evil)
    for words in (["test", f"run={evil}"], ["predict", str(evil), __file__]):
        status, _, told = stfw(*words)
        assert status == 2
        assert "os.system may not be called" in told
    assert not marker.exists()
