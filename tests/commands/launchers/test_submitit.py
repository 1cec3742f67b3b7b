"""Jobs of SLURM, and of its stand-in on one machine."""

from __future__ import annotations

import csv
import os
import signal
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from stfw.commands.launch import Job
from stfw.commands.launchers.submitit import Submitit
from stfw.commands.multirun import make_job
from stfw.config import compose
from tests.command_line import TINY
from tests.commands.launchers.quick import QUICK, run_quick


def test_a_job_that_an_earlier_command_has_submitted_is_taken_up(tmp_path: Path) -> None:
    pytest.importorskip("submitit")
    earlier, later = Submitit(cluster="local"), Submitit(cluster="local")
    earlier._submit([QUICK[0]], tmp_path, tmp_path / "submitit", {"good": frozenset()})
    with closing(later.run(QUICK[:1], tmp_path, 1)) as results:
        assert list(results) == [(QUICK[0], 0)]
    assert (tmp_path / "good.log").read_text().count("$ stfw train") == 1  # not run twice


@pytest.mark.parametrize("max_timeouts", [0, 1])
def test_out_of_time_a_job_goes_on_so_often(tmp_path: Path, max_timeouts: int) -> None:
    """The warning that a cluster sends before the end is sent by hand."""
    pytest.importorskip("submitit")
    words = [*TINY, "trainer.max_epochs=8", "test=false", f"runs_dir={tmp_path}/runs"]
    job = Job("long", words)
    launcher = Submitit(cluster="local", timeout_min=5, max_timeouts=max_timeouts)
    ((_, handle),) = launcher._submit([job], tmp_path, tmp_path / "submitit", {"long": frozenset()})

    def warn() -> None:
        while not handle.done():
            if list(tmp_path.glob("runs/*/*/checkpoints/last.ckpt")):
                children = Path(f"/proc/{handle.job_id}/task/{handle.job_id}/children")
                os.kill(int(children.read_text()), signal.SIGUSR2)
                return
            time.sleep(0.05)

    with ThreadPoolExecutor() as pool:
        warned = pool.submit(warn)
        with closing(launcher.run([job], tmp_path, 1)) as results:
            ended = list(results)
        warned.result()
    assert ended == [(job, 1 - max_timeouts)]
    log = (tmp_path / "long.log").read_text()
    assert log.count("$ stfw train") == 1 + max_timeouts
    (metrics,) = tmp_path.glob("runs/*/*/metrics.csv")
    with metrics.open() as file:
        epochs = [int(row["epoch"]) for row in csv.DictReader(file) if row["val/top1"]]
    assert epochs == list(range(8)) if max_timeouts else len(epochs) < 8


# it runs its copy of the script, since submitit moves the script once it is submitted
SBATCH = """#!/bin/sh
cp "$1" {folder}/submitted.sh
last=$(sed -n 's/^#SBATCH --array=0-\\([0-9]*\\).*/\\1/p' {folder}/submitted.sh)
for task in $(seq 0 $last); do
  SLURM_JOB_ID=7 SLURM_ARRAY_JOB_ID=7 SLURM_ARRAY_TASK_ID=$task SLURM_PROCID=0 SLURM_NTASKS=1 \
    sh {folder}/submitted.sh > /dev/null 2>&1 &
done
echo Submitted batch job 7
"""
SRUN = """#!/bin/sh
while [ "${1#-}" != "$1" ]; do case $1 in --output|--error) shift;; esac; shift; done
exec "$@"
"""


def test_slurm_gets_an_array_with_what_was_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With stand-ins for sbatch and srun; submitit and the jobs are real."""
    pytest.importorskip("submitit")
    commands = {
        "sbatch": SBATCH.format(folder=tmp_path),
        "srun": SRUN,
        "sacct": "#!/bin/sh\necho 'JobID|State|NodeList'\n",
        "scancel": "#!/bin/sh\n",
    }
    for name, text in commands.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    launcher = Submitit(partition="long", cpus_per_task=4, options={"account": "me"}, mem_gb=16)
    run_quick(launcher, tmp_path / "logs", None)
    asked = (tmp_path / "submitted.sh").read_text()
    for line in ("partition=long", "cpus-per-task=4", "account=me", "mem=16GB", "time=1440"):
        assert f"#SBATCH --{line}\n" in asked
    assert "#SBATCH --array=0-1%" in asked
    assert not list((tmp_path / "logs").glob("*.submitit"))  # nothing is left over


def test_a_job_of_slurm_is_as_large_as_its_trainer_wants() -> None:
    words = ["trainer=ddp", "trainer.devices=4", "trainer.num_nodes=2", "trainer.accelerator=gpu"]
    asked = Submitit().parameters(make_job("x", "", words, compose("train", words).cfg))
    assert (asked["nodes"], asked["tasks_per_node"], asked["gpus_per_node"]) == (2, 4, 4)
    plain = Submitit().parameters(make_job("x", "", [], compose("train", []).cfg))
    assert (plain["nodes"], plain["tasks_per_node"]) == (1, 1)
    assert "gpus_per_node" not in plain
