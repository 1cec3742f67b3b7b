"""wandb and TensorBoard beside ``metrics.csv``: what they get, resumes, and no secret anywhere."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from stfw import redact
from tests.command_line import TINY

Call = Callable[..., tuple[int, str, str]]
# name of the environment variable, and its value
SECRETS = {"MY_SERVICE_TOKEN": "zq-8812-service", "WANDB_API_KEY": "f0" * 20}
UNDER_A_NAME, IN_A_URL = "hush-hush-4711", "sesame-99"
PLANTED = (*SECRETS.values(), UNDER_A_NAME, IN_A_URL)
CALLBACK = '''
import pytorch_lightning as pl

class Talks(pl.Callback):
    """Needs a key, and says it in its error."""

    def __init__(self, api_key: str, url: str, fails: bool = False) -> None:
        self.api_key, self.url, self.fails = api_key, url, fails

    def on_train_start(self, trainer, pl_module):
        if self.fails:
            raise RuntimeError(f"{self.api_key} was refused by {self.url}")
'''


@pytest.fixture
def secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Overrides that bring a secret in every way that a config can."""
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    for name in ("WANDB_CACHE_DIR", "WANDB_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.setenv("STFW_TARGETS", "talks")
    monkeypatch.setattr(redact, "_known", set())
    monkeypatch.chdir(tmp_path)
    (tmp_path / "talks.py").write_text(CALLBACK)
    monkeypatch.syspath_prepend(tmp_path)
    words = [
        "+callbacks.talks._target_=talks.Talks",
        f"+callbacks.talks.api_key={UNDER_A_NAME}",
        f"+callbacks.talks.url='https://me:{IN_A_URL}@host/x'",
        "logger=[tensorboard,wandb]",
        'logger.wandb.tags=[mine,"${oc.env:MY_SERVICE_TOKEN}"]',
    ]
    monkeypatch.setattr(sys, "argv", ["stfw", "train", *words])
    return words


def leaks(folder: Path) -> list[tuple[str, str]]:
    """(file, secret) of every planted secret that a file below a folder holds."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 5
    return [
        (str(path.relative_to(folder)), secret)
        for path in files
        for secret in PLANTED
        if secret.encode() in path.read_bytes()
    ]


def curves(folder: Path) -> EventAccumulator:
    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    return events


def test_both_loggers_get_all_but_secrets_and_go_on_after_a_resume(
    stfw: Call, tmp_path: Path, secrets: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    monkeypatch.setenv("STFW_GROUP", "sweep-7")
    words = ["train", *TINY, *secrets, f"output_dir={folder}"]
    status, told, error = stfw(*words, "trainer.max_epochs=1")
    assert status == 0, error
    assert told.strip().splitlines()[-1].startswith("test/top1")
    assert "wandb sync run/wandb/offline-run-" in told
    assert leaks(folder) == []

    record = json.loads((folder / "run.json").read_text())
    assert record["group"] == "sweep-7"
    assert "api_key: '***'" in (folder / "config.yaml").read_text()
    assert "+callbacks.talks.api_key=***" in (folder / "overrides.txt").read_text()
    assert "api_key=***" in record["command"]
    assert (folder / "metrics.csv").is_file()  # whatever loggers there are

    (sent,) = folder.glob("wandb/offline-run-*/run-*.wandb")
    content = sent.read_bytes()
    known = ("sweep-7", "torch.optim.AdamW", record["git"].get("commit", "stconv"), "test/worst",
             record["data"]["fingerprint"], "https://***@host/x", "cpu")  # fmt: skip
    for text in known:
        assert text.encode() in content, text
    (table,) = folder.glob("wandb/offline-run-*/files/media/table/test/*.table.json")
    rows = json.loads(table.read_text())
    assert rows["columns"] == ["clip", "video", "true", "predicted", "score", "true score"]
    assert len(rows["data"]) == 9
    assert [row[5] for row in rows["data"]] == sorted(row[5] for row in rows["data"])
    kept = [path for path in (folder / "wandb" / "data").rglob("*") if path.is_file()]
    assert sum(path.read_bytes()[1:4] == b"PNG" for path in kept) == 9

    events = curves(folder)
    assert {"train/loss", "val/top1", "test/top1", "lr"} <= set(events.Tags()["scalars"])
    assert len([tag for tag in events.Tags()["images"] if tag.startswith("test_worst/")]) == 9
    assert len(events.Scalars("val/top1")) == 1
    assert "_hparams_/session_start_info" in events.summary_metadata

    status, _, error = stfw(*words[:-1], "trainer.max_epochs=2", "test=false", f"resume={folder}")
    assert status == 0, error
    assert leaks(folder) == []
    ids = {path.name.rpartition("-")[2] for path in folder.glob("wandb/offline-run-*")}
    assert ids == {record["loggers"]["wandb"]["id"]}
    points = [(event.step, event.value) for event in curves(folder).Scalars("val/top1")]
    assert [step for step, _ in points] == [3, 7]


def test_a_run_that_fails_says_why_without_the_secret(
    stfw: Call, tmp_path: Path, secrets: list[str]
) -> None:
    folder = tmp_path / "run"
    with pytest.raises(RuntimeError, match=UNDER_A_NAME):  # on the terminal it is the user's own
        stfw("train", *TINY, *secrets, "+callbacks.talks.fails=true", f"output_dir={folder}")
    record = json.loads((folder / "run.json").read_text())
    assert record["status"] == "failed"
    assert record["reason"] == "*** was refused by https://***@host/x"
    assert leaks(folder) == []
    import wandb

    assert wandb.run is None  # so that the next run of this process is another


def test_runs_of_one_process_are_runs_of_their_own(
    stfw: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from stfw.loggers.wandb import Wandb

    monkeypatch.setenv("WANDB_CACHE_DIR", str(tmp_path / "home"))
    ids = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        logger = Wandb(str(tmp_path / name), group="g")
        logger.log_metrics({"x": 1.0}, 0)
        ids.append(logger.experiment.id)
        if name == "b":
            logger.close("success")
    assert ids[0] != ids[1]
    again = Wandb(str(tmp_path / "a"))
    assert again.experiment.id == ids[0]
    again.close("failed")


def test_an_account_that_is_not_there_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from stfw.loggers.wandb import Wandb
    from stfw.types import UserError

    monkeypatch.setenv("WANDB_API_KEY", "nonsense")
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    logger = Wandb(str(tmp_path), mode="online")
    with pytest.raises(UserError, match="wandb login once, or keep the run here"):
        _ = logger.experiment


@pytest.mark.parametrize("logger", ["[wandb,wadnb]", "wadnb"])
def test_an_unknown_logger_is_told(stfw: Call, logger: str) -> None:
    status, _, error = stfw("train", f"logger={logger}")
    assert status == 2
    assert "logger=wadnb: no such option; did you mean 'wandb'?" in error
