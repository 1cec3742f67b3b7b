"""Many runs from one command: what they are, where they run, what is told of them."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from stfw.commands.job_view import JobView
from stfw.commands.launch import Job
from stfw.commands.launchers import read_launch
from stfw.commands.launchers.local import gpu_shares
from stfw.commands.multirun import expand, plan
from stfw.config import conf_dir, groups
from stfw.types import UserError
from tests.command_line import TINY
from tests.commands.launchers.quick import QUICK, run_quick

Call = Callable[..., tuple[int, str, str]]


def test_sweeps_are_those_of_hydra() -> None:
    found = expand(["model=c3d,lrcn", "seed=range(0,2)", "data.cues=[a,b]", "~callbacks.progress"])
    rest = ["data.cues=[a,b]", "~callbacks.progress"]
    assert found == [
        (f"model={model} seed={seed}", [f"model={model}", f"seed={seed}", *rest])
        for model in ("c3d", "lrcn")
        for seed in (0, 1)
    ]
    optimizers = [label for label, _ in expand(["optimizer=glob(s*)"])]
    assert optimizers == [f"optimizer={n}" for n in groups()["optimizer"] if n.startswith("s")]
    with pytest.raises(UserError, match="interval"):
        expand(["optimizer.lr=interval(0,1)"])


def test_every_job_is_checked_before_one_is_started() -> None:
    with pytest.raises(UserError, match=r"^encoder=c3d: .*encoder.channels"):
        plan(["encoder=stconv,c3d", "encoder.channels=[8,8,8]"], True, False)
    with pytest.raises(UserError, match="one folder, and there are 2 runs"):
        plan(["seed=1,2", "output_dir=x"], True, False)
    planned = plan(["seed=1,2", "trainer=ddp"], True, False)
    assert [p.job.name for p in planned] == ["000-seed_1", "001-seed_2"]


@pytest.mark.parametrize("name", groups(conf_dir())["launcher"])
def test_every_shipped_launcher_fits_its_code(name: str) -> None:
    settings, chosen, launcher = read_launch([f"launcher={name}", "jobs=3"])
    assert (settings.jobs, settings.skip_finished, chosen) == (3, False, name)
    assert callable(launcher.run)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["launcher=slurm"], "launcher=slurm: no such option"),
        (["launcher=submitit", "launcher.partitoin=x"], "launcher.partitoin: no such key"),
        (["launcher=submitit", "launcher.timeout_min=long"], "'long' is not int"),
        (["jobs=0"], "at least 1"),
        (["skip_finished=maybe"], "neither true nor false"),
        (["launcher=ray", "hydra/launcher=basic"], "do not go together"),
        (["-m", "seed=1,2", "modell=c3d"], "did you mean 'model'"),
        (["launcher=ray", "trainer.devices=auto"], "give a number"),
        (["launcher=ray", "launcher.cpus=0"], "launcher.cpus=0: a process needs at least 1"),
    ],
)
def test_mistakes_are_told(stfw: Call, words: list[str], message: str) -> None:
    status, _, error = stfw("train", *words)
    assert status == 2
    assert message in error


@pytest.mark.parametrize(
    ("name", "library", "extra"),
    [("joblib", "joblib", "joblib"), ("submitit", "submitit", "slurm"), ("ray", "ray", "ray")],
)
def test_a_launcher_without_its_library_says_so_and_writes_nothing(
    stfw: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, library: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    monkeypatch.chdir(tmp_path)
    told = f'this launcher needs {library}: pip install "stfw[{extra}]"'
    for words in (["train", "-m", "seed=1,2"], ["table", "table=toy"]):
        status, _, error = stfw(*words, f"launcher={name}")
        assert status == 2
        assert told in error
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["local", "joblib", "submitit_local"])
def test_each_launcher_gives_every_job_s_status_and_output(name: str, tmp_path: Path) -> None:
    pytest.importorskip(name.removesuffix("_local") if name != "local" else "stfw")
    run_quick(read_launch([f"launcher={name}"])[2], tmp_path / "logs")


def test_runs_learn_through_another_launcher(stfw: Call, tmp_path: Path) -> None:
    """joblib's; runs of submitit learn in launchers/test_submitit.py."""
    swept = ["model=stconv,frame_cnn", "launcher=joblib"]
    words = ["trainer.max_epochs=1", "test=false", "jobs=2", f"runs_dir={tmp_path}"]
    status, told, error = stfw("train", "-m", *swept, *TINY, *words)
    assert status == 0, error
    assert told.splitlines()[-1] == "2 of 2 runs finished"
    records = [json.loads(path.read_text()) for path in tmp_path.glob("*/*/run.json")]
    assert [record["status"] for record in records] == ["finished"] * 2
    seen = {tuple(w for w in r["overrides"] if w.startswith(("model", "seed"))) for r in records}
    assert len(seen) == 2


def test_jobs_share_out_the_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2")
    shares = [share["CUDA_VISIBLE_DEVICES"] for share in gpu_shares(2)]
    assert shares == ["0,2", "1"]
    assert gpu_shares(1) == [{}]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert gpu_shares(2) == [{}, {}]


def test_jobs_that_nobody_waits_for_end(tmp_path: Path) -> None:
    """Closed early, a launcher leaves no process behind."""
    launcher = read_launch(["launcher=local"])[2]
    slow = Job("slow", [*TINY, "trainer.max_epochs=1000", f"output_dir={tmp_path}/run"])
    results = launcher.run([QUICK[0], slow], tmp_path, 2)
    assert next(results)[1] == 0
    results.close()
    assert "Traceback" not in (tmp_path / "slow.log").read_text()
    needle = f"output_dir={tmp_path}/run".encode()
    assert not [p for p in Path("/proc").glob("[0-9]*/cmdline") if needle in _read(p)]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_the_view_reads_the_runs_own_folders(tmp_path: Path) -> None:
    jobs = [Job(name, [], f"seed={name}") for name in "abcd"]
    logs, runs = tmp_path / "logs", tmp_path / "runs"
    logs.mkdir()
    (logs / "d.log").write_text("run /an/earlier/try\n")
    console = Console(width=100, record=True, file=(tmp_path / "shown").open("w"))
    view = JobView(jobs, logs, console)
    for name, epoch in (("a", "2"), ("b", "4")):
        folder = runs / f"run-{name}"
        folder.mkdir(parents=True)
        (logs / f"{name}.log").write_text(f"$ stfw train\nbatch 4\nrun {folder}\n")
        (folder / "run.json").write_text(json.dumps({"summary": {"num_epochs": 5}}))
        (folder / "metrics.csv").write_text(f"epoch,val/loss,val/top1\n0,2,0.1\n{epoch},1,0.75\n")
    (logs / "c.log").write_text("$ stfw train\nstfw: it went wrong\n")
    view.ended(jobs[1], 0)
    view.ended(jobs[2], 1)
    console.print(view.render())
    rows = {line.split()[0]: line.split()[1:] for line in console.export_text().splitlines()}
    assert rows["seed=a"] == ["running", "3/5", "val/top1", "0.750", "run-a"]
    assert rows["seed=b"] == ["done", "5/5", "val/top1", "0.750", "run-b"]
    assert rows["seed=c"] == ["failed"]
    assert rows["seed=d"] == ["queued"]
    assert view.summary() == "1 queued, 1 done, 1 running, 1 failed"
    assert view.failures().endswith("stfw: it went wrong")
    assert "seed=c" in view.failures()


def test_a_failed_run_is_named_the_others_go_on_and_finished_ones_are_skipped(
    stfw: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that works has two processes, which Lightning starts."""
    monkeypatch.chdir(tmp_path)
    words = ["-m", *TINY, "trainer=ddp", "trainer.accelerator=cpu", "trainer.max_epochs=1"]
    words += ["name=m", "jobs=2", "data.num_train=8"]
    status, told, error = stfw("train", *words, "init_from=null,nowhere")
    assert status == 1
    assert "2 runs, 2 to run" in told
    assert "init_from=null  val/top1 0." in told
    assert "1 of 2 runs finished" in told
    assert "failed: init_from=nowhere: see " in error
    assert "stfw: nowhere: there is no such run or checkpoint" in error
    (run,) = (tmp_path / "runs/m").iterdir()
    record = json.loads((run / "run.json").read_text())
    assert record["group"].startswith("multirun-")
    assert record["summary"]["effective_batch_size"] == 8
    (log,) = (tmp_path / "runs/multirun").glob("*/000-*.log")
    assert log.read_text().count("GMACs per view") == 1  # rank 0 alone speaks
    rows = list(csv.DictReader((run / "predictions.csv").open()))
    assert len({row["video_id"] for row in rows}) == len(rows) == 9  # none twice, none lost

    status, told, _ = stfw("train", *words, "skip_finished=true")
    assert status == 0
    assert "finished before: m  runs/m/" in told
    assert "1 runs, 0 to run" in told


def test_a_run_is_skipped_for_its_configuration_and_what_else_changed_is_told(
    tiny_run: Path, tmp_path: Path
) -> None:
    record = json.loads((tiny_run / "run.json").read_text())
    words = [*TINY, f"runs_dir={tmp_path}"]
    (tmp_path / "run").mkdir()

    def planned(changes: dict[str, object]) -> tuple[bool, tuple[str, ...]]:
        (tmp_path / "run" / "run.json").write_text(json.dumps({**record, **changes}))
        (one,) = plan(words, False, True)
        return one.done is not None, one.stale

    assert planned({}) == (True, ())
    # said in the same words, computed from other files
    assert planned({"config_fingerprint": "another", "overrides": TINY}) == (False, ())
    assert planned({"code_fingerprint": "another"}) == (True, ("code",))
    assert planned({"data": {**record["data"], "fingerprint": "another"}}) == (True, ("data",))


def test_hydra_s_own_launchers_work(
    stfw: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["trainer.max_epochs=1", "test=false", "name=m", "seed=3", "hydra/launcher=basic"]
    assert stfw("train", "-m", *TINY, *words)[0] == 0
    records = [json.loads(p.read_text()) for p in (tmp_path / "runs/m").glob("*/run.json")]
    assert [record["summary"]["seed"] for record in records] == [3]
    assert all(record["command"].startswith("stfw train data.num_train=16") for record in records)
    status, _, told = stfw("train", "-m", *words, "trainer=ddp")
    assert status == 2
    assert "use launcher=" in told
