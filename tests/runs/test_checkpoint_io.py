"""Checkpoints survive kills, full disks and flipped bits, and run nobody's code."""

from __future__ import annotations

import os
import pickle
import resource
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from stfw.runs import checkpoint_io
from stfw.types import UserError

CONTENT = {"state_dict": {"network.w": torch.arange(1000.0)}, "stfw": {"config": {"a": [1, "x"]}}}


def test_round_trip_with_a_digest(tmp_path: Path) -> None:
    path = tmp_path / "checkpoints" / "best.ckpt"
    checkpoint_io.save(CONTENT, path)
    assert torch.equal(
        checkpoint_io.load(path)["state_dict"]["network.w"], CONTENT["state_dict"]["network.w"]
    )
    assert checkpoint_io.read_digests(path) == [checkpoint_io.file_digest(path)]
    assert sorted(p.name for p in path.parent.iterdir()) == ["best.ckpt", "best.ckpt.sha256"]


def test_a_flipped_bit_is_found(tmp_path: Path) -> None:
    path = tmp_path / "best.ckpt"
    checkpoint_io.save(CONTENT, path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(UserError, match="does not match its checksum"):
        checkpoint_io.load(path)


@pytest.mark.parametrize("content", [b"", b"<html>", b"PK" + b"\0" * 50])
def test_what_is_no_checkpoint_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.ckpt"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"x\.ckpt"):
        checkpoint_io.load(path)


def test_a_malicious_pickle_does_not_run(tmp_path: Path) -> None:
    marker = tmp_path / "marker"

    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.system, (f"touch {marker}",)

    path = tmp_path / "evil.ckpt"
    torch.save({"state_dict": Bomb()}, path)
    with pytest.raises(UserError, match="can be trusted"):
        checkpoint_io.load(path)
    path.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(UserError):
        checkpoint_io.load(path)
    assert not marker.exists()


def test_a_full_disk_leaves_the_old_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    checkpoint_io.save(CONTENT, path)
    before = path.read_bytes()
    code = f"""
import torch, sys, signal
from pathlib import Path
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
import resource
from stfw.runs import checkpoint_io
from stfw.types import UserError
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    content = {{"state_dict": {{"network.w": torch.zeros(1_000_000)}}}}
    checkpoint_io.save(content, Path({str(path)!r}))
except UserError as error:
    print(error); sys.exit(7)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 7, done.stderr
    assert "cannot be written" in done.stdout
    assert path.read_bytes() == before
    assert checkpoint_io.damage(path) is None
    assert not list(tmp_path.glob("*.part"))
    assert resource.RLIMIT_FSIZE is not None


KILLED = """
import os, torch
from pathlib import Path
from stfw.runs import checkpoint_io
real = os.replace
count = 0
def replace(a, b):
    global count
    count += 1
    if count == {stop}:
        os._exit(9)
    real(a, b)
os.replace = replace
checkpoint_io.save({{"state_dict": {{"network.w": torch.ones(9)}}}}, Path({path!r}))
"""


@pytest.mark.parametrize("stop", [1, 2, 3])
def test_a_kill_between_any_two_renames_leaves_a_file_that_verifies(
    tmp_path: Path, stop: int
) -> None:
    path = tmp_path / "last.ckpt"
    checkpoint_io.save(CONTENT, path)
    code = KILLED.format(stop=stop, path=str(path))
    assert subprocess.run([sys.executable, "-c", code]).returncode == 9
    weights = checkpoint_io.load(path)["state_dict"]["network.w"]
    assert len(weights) == (9 if stop == 3 else 1000)
