"""``stfw fuse`` on what runs write."""

from __future__ import annotations

import csv
import json
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from stfw.reports.fusion import read
from tests.command_line import TINY
from tests.test_docs import ROOT, blocks

Call = Callable[..., tuple[int, str, str]]
FILES = ("predictions_val.csv", "predictions.csv")


@pytest.fixture(scope="module")
def two_runs(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``rgb`` and ``flow``: a run, and one whose scores are drawn anew."""
    root = tmp_path_factory.mktemp("fuse") / "runs"
    for name in ("rgb", "flow"):
        (root / name).mkdir(parents=True)
        for file in FILES:
            shutil.copy(tiny_run / file, root / name / file)
    generator = np.random.default_rng(0)
    for file in FILES:
        rewrite(root / "flow" / file, lambda row, scores: generator.dirichlet(scores + 0.5))
    return root


def rewrite(path: Path, change: Callable[[dict, np.ndarray], np.ndarray]) -> None:
    rows = list(csv.DictReader(path.open()))
    names = [name for name in rows[0] if name.startswith("score/")]
    for row in rows:
        scores = change(row, np.array([float(row[name]) for name in names]))
        row.update({name: f"{score:.6f}" for name, score in zip(names, scores, strict=True)})
        row["predicted"] = str(int(np.argmax(scores)))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def test_a_run_keeps_the_best_checkpoint_s_validation_scores(stfw: Call, tmp_path: Path) -> None:
    by_loss = ["callbacks.best.monitor=val/loss", "callbacks.best.mode=min"]
    assert stfw("train", *TINY, *by_loss, f"output_dir={tmp_path}")[0] == 0
    val, test = (read(tmp_path / name) for name in FILES)
    assert (len(val.places), len(test.places)) == (8, 9)
    assert not set(val.places) & set(test.places)
    assert val.classes == test.classes
    losses = [float(row["val/loss"]) for row in csv.DictReader((tmp_path / "metrics.csv").open())]
    assert abs(losses[0] - losses[1]) > 1e-3  # so that the best epoch can be told
    loss = -np.log(val.scores_BK[np.arange(8), val.labels_B]).mean()
    assert loss == pytest.approx(min(losses), abs=1e-4)


def test_without_the_closing_test_there_are_none(stfw: Call, tmp_path: Path) -> None:
    run = tmp_path / "run"
    words = ["train", *TINY, "trainer.max_epochs=1", "test=false", f"output_dir={run}"]
    assert stfw(*words)[0] == 0
    assert not (run / FILES[0]).exists()
    status, _, told = stfw("fuse", str(run), str(run))
    assert status == 2
    assert f"{run}: there is no predictions_val.csv" in told


def test_weights_of_validation_are_applied_to_the_test(
    stfw: Call, two_runs: Path, tmp_path: Path
) -> None:
    runs = [str(two_runs / name) for name in ("rgb", "flow")]
    out = tmp_path / "new" / "fused.csv"
    status, told, error = stfw("fuse", *runs, f"out={out}", "--json")
    assert status == 0, error
    result = json.loads(told)
    weights = [row["weight"] for row in result["runs"]]
    assert sum(weights) == pytest.approx(1)
    best_alone = max(row["val_top1"] for row in result["runs"])
    assert result["fusion"]["val_top1"] >= max(best_alone, result["equal_weights"]["val_top1"])
    tests = [read(Path(run) / FILES[1]) for run in runs]
    expected_BK = sum(w * t.scores_BK for w, t in zip(weights, tests, strict=True))
    fused = read(out)
    assert fused.scores_BK == pytest.approx(expected_BK, abs=2e-6)
    assert fused.places == tests[0].places
    rows = list(csv.DictReader(out.open()))
    right = np.mean([row["label"] == row["predicted"] for row in rows])
    assert result["fusion"]["test_top1"] == pytest.approx(right)

    status, told, _ = stfw("fuse", *runs)
    lines = told.strip().splitlines()
    assert [line.split()[0] for line in lines[1:5]] == [*runs, "equal", "fusion"]
    assert lines[-1].startswith(f"test/top1 {right:.3f}  weights {weights[0]:.2f}")


def test_a_run_fused_with_itself_is_itself(stfw: Call, two_runs: Path) -> None:
    run = str(two_runs / "rgb")
    for mean in ("arithmetic", "geometric"):
        result = json.loads(stfw("fuse", run, run, run, f"mean={mean}", "--json")[1])
        alone = result["runs"][0]
        assert result["fusion"]["test_top1"] == alone["test_top1"]


def test_test_videos_choose_no_weights(stfw: Call, two_runs: Path, tmp_path: Path) -> None:
    for name in ("rgb", "flow"):
        (tmp_path / name).mkdir()
        for file in FILES:  # as data.val_fraction=0 leaves them
            shutil.copy(two_runs / name / FILES[1], tmp_path / name / file)
    runs = [str(tmp_path / name) for name in ("rgb", "flow")]
    result = json.loads(stfw("fuse", *runs, "--json")[1])
    assert [row["weight"] for row in result["runs"]] == [0.5, 0.5]
    assert result["fusion"] == result["equal_weights"]
    assert "equal weights" in stfw("fuse", *runs)[1]


def test_runs_that_do_not_fit_together_are_refused(
    stfw: Call, two_runs: Path, tmp_path: Path
) -> None:
    for number, file in enumerate(FILES):
        other = tmp_path / str(number)
        shutil.copytree(two_runs / "flow", other)
        lines = (other / file).read_text().splitlines()
        (other / file).write_text("\n".join([lines[0], *lines[2:]]) + "\n")
        status, _, told = stfw("fuse", str(two_runs / "rgb"), str(other))
        assert status == 2
        absent = lines[1].split(",")[0]
        assert f"video {absent} of {two_runs / 'rgb' / file} is not in {other / file}" in told


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["fsue"], "did you mean 'fuse'?"),
        (["fuse", "rgb"], "1 runs: name two to four"),
        (["fuse", *["rgb"] * 5], "5 runs: name two to four"),
        (["fuse", "rgb", "flow", "mean=geometrical"], "did you mean 'geometric'?"),
        (["fuse", "rgb", "flow", "man=geometric"], "no such key; did you mean 'mean'?"),
        (["fuse", "rgb", "flow", "--jsn"], "--jsn: no such option"),
        (["fuse", "rgb", "no"], "no: there is no predictions_val.csv"),
        (["fuse", "rgb", "flow", "out=rgb/predictions.csv/x.csv"], "cannot be written"),
    ],
)
def test_mistakes_are_one_sentence(
    stfw: Call, two_runs: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], message: str
) -> None:
    monkeypatch.chdir(two_runs)
    status, _, told = stfw(*words)
    assert status == 2
    assert message in told


def test_the_page_s_commands_work(
    stfw: Call, two_runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = [
        shlex.split(line, comments=True)[1:]
        for block in blocks(ROOT / "docs" / "weights.md", "sh")
        for line in block.splitlines()
        if line.startswith("stfw fuse")
    ]
    assert len(shown) >= 2
    monkeypatch.chdir(two_runs.parent)
    for words in shown:
        status, _, told = stfw(*words)
        assert status == 0, (words, told)
    assert (two_runs.parent / "fused.csv").is_file()
