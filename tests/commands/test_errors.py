"""A person's mistakes: one sentence each, status 2, no traceback, nothing half-written."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from stfw.video.writer import write_video
from tests.command_line import TINY

Call = Callable[..., tuple[int, str, str]]


def class_folders(root: Path, *names: str, num_videos: int = 3) -> Path:
    for name in names:
        (root / name).mkdir(parents=True)
        for number in range(num_videos):
            frames_THWC = np.zeros((8, 32, 32, 3), np.uint8)
            write_video(root / name / f"{number}.mp4", frames_THWC, 8)
    return root


def refused(call: Call, *words: str) -> str:
    status, _, told = call(*words)
    assert status == 2, told
    assert "Traceback" not in told
    mistakes = [line for line in told.splitlines() if not line.startswith("writing ")]
    assert all(line.startswith("stfw: ") for line in mistakes)
    return "\n".join(mistakes)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["trian"], "trian: no such command; did you mean 'train'?"),
        (["train", "model=c4d"], "model=c4d: no such option; did you mean 'c3d'?"),
        (["train", "optimiser.lr=1"], "did you mean 'optimizer'?"),
        (["train", "data.batch_size=1.5"], "data.batch_size: 1.5 is not int"),
        (["train", "data=folder"], "data.root: is not set; give it as data.root=..."),
        (["train", "data=folder", "data.root=/no/such"], "data.root=/no/such"),
        (["train", "views=3"], "views=3 is not <clips>x<crops>"),
        (["train", "data.cues=[motoin]"], "did you mean 'motion'?"),
        (["train", "resume=/no/such/run"], "/no/such/run: there is no such run"),
        (["train", "init_from=/no/such/run"], "/no/such/run: there is no such run"),
        (["train", "trainer.accelerator=gpu"], "torch sees no GPU here"),
        (["test", "run=/no/such"], "/no/such: there is no such run"),
        (["test"], "name the run"),
        (["predict", "/no/such", "."], "no videos in this folder"),
        (["completion", "fish"], "bash or zsh"),
    ],
)
def test_one_sentence(
    stfw: Call,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert message in refused(stfw, *words)
    assert not list(tmp_path.iterdir())  # nothing half-written


def test_a_misspelt_key_in_a_user_s_yaml(
    stfw: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "encoder").mkdir()
    (tmp_path / "encoder" / "mine.yaml").write_text(
        "_target_: stfw.models.encoders.c3d.C3D\ndropuot: 0.1\n"
    )
    monkeypatch.setenv("STFW_CONF", str(tmp_path))
    told = refused(stfw, "train", "encoder=mine")
    assert "encoder.dropuot" in told
    assert "did you mean 'dropout'?" in told


def test_an_empty_class_and_a_single_class(stfw: Call, tmp_path: Path) -> None:
    root = class_folders(tmp_path / "one", "a")
    assert "one class folder only, 'a'" in refused(
        stfw, "train", "data=folder", f"data.root={root}"
    )
    root = class_folders(tmp_path / "two", "a", "b")
    (root / "c").mkdir()
    assert "'c' holds no video" in refused(stfw, "train", "data=folder", f"data.root={root}")


@pytest.mark.parametrize("num_workers", [0, 1])
def test_an_unreadable_video_is_named(stfw: Call, tmp_path: Path, num_workers: int) -> None:
    root = class_folders(tmp_path / "data", "a", "b", num_videos=5)
    (root / "a" / "broken (1).mp4").write_bytes(b"<html>404</html>" * 100)
    told = refused(
        stfw,
        "train",
        *[word for word in TINY if not word.startswith(("data.num_", "data.size"))],
        "data=folder",
        f"data.root={root}",
        f"data.num_workers={num_workers}",
        "data.val_fraction=0.2",
        "data.test_fraction=0.2",
        f"output_dir={tmp_path / 'run'}",
    )
    assert "broken (1).mp4" in told
    assert '"status": "failed"' in (tmp_path / "run" / "run.json").read_text()


@pytest.mark.skipif(os.geteuid() != 0 and sys.platform != "linux", reason="needs /proc")
def test_a_folder_that_cannot_be_written(stfw: Call) -> None:
    told = refused(stfw, "train", *TINY, "output_dir=/proc/no/run")
    assert "/proc/no/run: the run's folder cannot be written" in told
    assert "output_dir=..." in told


def test_a_folder_that_holds_a_run(stfw: Call, tiny_run: Path) -> None:
    before = (tiny_run / "run.json").read_text()
    assert "holds a run already" in refused(stfw, "train", *TINY, f"output_dir={tiny_run}")
    assert (tiny_run / "run.json").read_text() == before


def test_several_mistakes_are_told_at_once(stfw: Call) -> None:
    told = refused(stfw, "train", "data.batch_size=many", "head.dropout=no")
    assert len(told.strip().splitlines()) == 2


def test_a_closed_pipe_is_no_error() -> None:
    done = subprocess.run(
        f"{sys.executable} -m stfw config | head -1", shell=True, capture_output=True, text=True
    )
    assert "Traceback" not in done.stderr
    assert done.stdout
