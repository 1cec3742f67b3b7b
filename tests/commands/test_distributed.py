"""Several processes learn what one learns, whoever starts them, and see every video once."""

from __future__ import annotations

import csv
import ctypes
import importlib.util
import json
import multiprocessing
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import torch

from stfw.cli import main
from stfw.commands import ranks
from stfw.config import compose
from stfw.types import UserError
from tests.command_line import TINY

ROOT = Path(__file__).parents[2]
# Batch norm's statistics would be those of half a batch on each rank: frozen, the two are the same.
# SGD, because Adam divides by gradients that are next to nothing, where rounding is all there is.
SAME = ["optimizer=sgd", "optimizer.lr=0.05", "task.finetune.batch_norm=frozen"]
TWO = ["trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2", "data.batch_size=2"]
SECONDS = 200
CLONE_NEWNET = 0x40000000  # linux/sched.h


def words(folder: Path, *more: str) -> list[str]:
    """Of a tiny run that notes its videos."""
    ids = [
        "+callbacks.ids._target_=tests.record_ids.RecordIds",
        f"+callbacks.ids.folder={folder}-ids",
    ]
    return ["train", *TINY, *SAME, *ids, *more, f"output_dir={folder}"]


def environment(**more: str) -> dict[str, str]:
    started = ("STFW_RUN", "STFW_RES", "LOCAL_", "SLURM_", "MASTER_", "RANK", "WORLD_", "TORCHEL")
    kept = {name: text for name, text in os.environ.items() if not name.startswith(started)}
    return {**kept, "STFW_TARGETS": "tests", "OMP_NUM_THREADS": "1", **more}


def call(command: Sequence[str], **variables: str) -> str:
    """Standard output of a command, which must succeed."""
    done = subprocess.run(
        list(command),
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment(**variables),
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def be_a_rank(
    arguments: list[str], variables: dict[str, str], output: Path, namespace: str | None
) -> None:
    """``stfw`` with these variables, in a process that has imported everything already."""
    with output.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    if namespace is not None:
        with open(f"/var/run/netns/{namespace}") as there:
            assert ctypes.CDLL(None).setns(there.fileno(), CLONE_NEWNET) == 0
    os.environ.clear()
    os.environ.update(variables)
    os.chdir(ROOT)
    sys.argv = ["stfw", *arguments]
    main(arguments)
    sys.stdout.flush()


def run_ranks(
    arguments: list[str],
    variables: Sequence[dict[str, str]],
    folder: Path,
    namespaces: Sequence[str | None] = (None, None),
) -> list[str]:
    """What each rank prints; all must succeed.

    The ranks are forked from a server that imports torch once: that takes longer than the training.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["pytorch_lightning", "stfw.tasks.classification", "stfw.reports.page", "tests.record_ids"]
    )
    outputs = [folder / f"rank{number}.txt" for number in range(len(variables))]
    processes = [
        context.Process(target=be_a_rank, args=(arguments, environment(**own), output, namespace))
        for own, output, namespace in zip(variables, outputs, namespaces, strict=True)
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")  # of the server
        for process in processes:
            process.start()
    for process in processes:
        process.join(SECONDS)
        process.kill()
    told = [output.read_text() for output in outputs]
    assert [process.exitcode for process in processes] == [0] * len(processes), told
    return told


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


def ids(folder: Path, stage: str, epoch: int) -> list[list[str]]:
    """The videos of each rank."""
    files = sorted(Path(f"{folder}-ids").glob(f"{stage}-{epoch}-*.txt"))
    return [file.read_text().split() for file in files]


def check_same(one: Path, two: Path) -> None:
    """Weights, scores and predictions agree, and every video was seen once."""
    first, second = (
        torch.load(run / "checkpoints" / "last.ckpt", weights_only=True) for run in (one, two)
    )
    for name, weight in first["state_dict"].items():
        torch.testing.assert_close(second["state_dict"][name], weight, rtol=1e-4, atol=1e-6)
    assert first["global_step"] == second["global_step"] == 8
    tables = [list(csv.DictReader((run / "metrics.csv").open())) for run in (one, two)]
    for name in ("train/loss", "val/loss", "val/top1"):
        values = [[float(row[name]) for row in table] for table in tables]
        assert values[1] == pytest.approx(values[0], rel=1e-4), name
    assert float(tables[0][0]["train/loss"]) != float(tables[0][1]["train/loss"])  # it did learn
    rows = [list(csv.DictReader((run / "predictions.csv").open())) for run in (one, two)]
    assert [row["video_id"] for row in rows[1]] == [row["video_id"] for row in rows[0]]
    assert len(rows[1]) == len({row["video_id"] for row in rows[1]}) == 9  # an odd number
    for row, same in zip(*rows, strict=True):
        for name in (name for name in row if name.startswith("score/")):
            assert float(same[name]) == pytest.approx(float(row[name]), abs=2e-5)
    for epoch in (0, 1):
        for stage, count in (("train", 16), ("val", 8)):
            (alone,), halves = ids(one, stage, epoch), ids(two, stage, epoch)
            assert [len(half) for half in halves] == [count // 2] * 2
            assert sorted(halves[0] + halves[1]) == sorted(alone)
            assert len(set(alone)) == count
    assert ids(one, "train", 0) != ids(one, "train", 1)  # shuffled anew


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that one process makes with the whole batch."""
    folder = tmp_path_factory.mktemp("alone") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STFW_TARGETS", "tests")
        main(words(folder, "data.batch_size=4"))
    return folder


def slurm(rank: int, port: int) -> dict[str, str]:
    """What SLURM's srun sets for one of two tasks on a node."""
    return {
        "SLURM_JOB_ID": "4242",
        "SLURM_JOB_NAME": "train",
        "SLURM_STEP_ID": "0",
        "SLURM_NODELIST": "127.0.0.1",
        "SLURM_NNODES": "1",
        "SLURM_NTASKS": "2",
        "SLURM_NTASKS_PER_NODE": "2",
        "SLURM_PROCID": str(rank),
        "SLURM_LOCALID": str(rank),
        "SLURM_NODEID": "0",
        "MASTER_PORT": str(port),
    }


def test_two_tasks_of_slurm_learn_what_one_process_learns(alone: Path, tmp_path: Path) -> None:
    two, port = tmp_path / "two", free_port()
    told = run_ranks(words(two, *TWO), [slurm(rank, port) for rank in (0, 1)], tmp_path)
    check_same(alone, two)
    assert told[0].count("GMACs per view") == 1
    assert "batch 4 over 2 devices" in told[0]
    assert "epoch" not in told[1]  # rank 0 alone speaks
    assert json.loads((two / "run.json").read_text())["summary"]["effective_batch_size"] == 4


def test_torchrun_learns_what_one_process_learns(alone: Path, tmp_path: Path) -> None:
    """Without ``output_dir``: rank 0 chooses a folder, and the other is told."""
    two = tmp_path / "two"
    own = [word for word in words(two, *TWO) if not word.startswith("output_dir=")]
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2"]
    command += [f"--master-port={free_port()}", "-m", "stfw", *own, f"runs_dir={tmp_path}/runs"]
    call(command)
    (run,) = (tmp_path / "runs" / "stconv_toy").iterdir()
    run.rename(two)
    check_same(alone, two)
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["stconv_toy"]


@pytest.fixture
def two_nodes() -> Iterator[list[str]]:
    """Two network namespaces that a cable joins."""
    names = [f"stfw{os.getpid()}{side}" for side in "ab"]
    cables = [f"v{name}" for name in names]

    def ip(*command: str) -> bool:
        done = subprocess.run(["ip", *command], capture_output=True)
        return done.returncode == 0

    try:
        made = [ip("netns", "add", name) for name in names]
    except FileNotFoundError:
        pytest.skip("there is no ip command")
    try:
        if not all(made):
            pytest.skip("no right to make network namespaces")
        cable = ("link", "add", cables[0], "type", "veth", "peer", "name", cables[1])
        if not ip(*cable):
            pytest.skip("no right to make a veth pair")
        for number, (name, device) in enumerate(zip(names, cables, strict=True), 1):
            assert ip("link", "set", device, "netns", name)
            assert ip("-n", name, "addr", "add", f"10.77.0.{number}/24", "dev", device)
            assert ip("-n", name, "link", "set", device, "up")
            assert ip("-n", name, "link", "set", "lo", "up")
        yield names
    finally:
        for name in names:
            ip("netns", "del", name)


def test_two_nodes_learn_what_one_process_learns(
    alone: Path, tmp_path: Path, two_nodes: list[str]
) -> None:
    two = tmp_path / "two"
    nodes = ["trainer.num_nodes=2", "trainer.devices=1"]
    given = [word for word in TWO if word != "trainer.devices=2"]
    # as torchrun sets them for its workers
    variables = [
        {
            "TORCHELASTIC_RUN_ID": "none",
            "MASTER_ADDR": "10.77.0.1",
            "MASTER_PORT": "29511",
            "WORLD_SIZE": "2",
            "RANK": str(number),
            "GROUP_RANK": str(number),
            "LOCAL_RANK": "0",
            "LOCAL_WORLD_SIZE": "1",
            "GLOO_SOCKET_IFNAME": f"v{namespace}",
        }
        for number, namespace in enumerate(two_nodes)
    ]
    run_ranks(words(two, *given, *nodes), variables, tmp_path, two_nodes)
    check_same(alone, two)


@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed")
def test_ray_learns_what_one_process_learns(alone: Path, tmp_path: Path) -> None:
    two = tmp_path / "two"
    command = [sys.executable, "-m", "stfw", *words(two, *TWO), "launcher=ray"]
    told = call(command)
    check_same(alone, two)
    assert told.strip().splitlines()[-1].startswith("test/top1 0.")


@pytest.mark.parametrize(
    ("variables", "overrides", "message"),
    [
        ({}, ["trainer.num_nodes=2"], "cannot start the others"),
        (slurm(0, 1), ["trainer.devices=3"], "SLURM started 2 processes"),
        (
            {"TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": "4"},
            ["trainer.num_nodes=3"],
            "torchrun started 4 processes, and trainer.devices=2 x trainer.num_nodes=3 wants 6",
        ),
        (slurm(0, 1), ["trainer.devices=2"], None),
        # a batch script of one task starts its processes itself
        ({"SLURM_NTASKS": "1", "SLURM_PROCID": "0"}, ["trainer.devices=4"], None),
    ],
)
def test_other_processes_than_the_trainer_wants_are_refused(
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    overrides: list[str],
    message: str | None,
) -> None:
    for name, text in variables.items():
        monkeypatch.setenv(name, text)
    cfg = compose("train", ["trainer=ddp", *overrides]).cfg
    if message is None:
        ranks.check_processes(cfg)
    else:
        with pytest.raises(UserError, match=message):
            ranks.check_processes(cfg)


def test_who_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ranks.is_rank_zero()
    for name, text in slurm(1, 1).items():
        monkeypatch.setenv(name, text)
    assert not ranks.is_rank_zero()
    monkeypatch.setenv("SLURM_NTASKS", "1")  # in a batch script's own process
    monkeypatch.setenv("SLURM_PROCID", "0")
    assert ranks.is_rank_zero()
    monkeypatch.setenv("LOCAL_RANK", "1")  # that Lightning has started
    assert not ranks.is_rank_zero()
