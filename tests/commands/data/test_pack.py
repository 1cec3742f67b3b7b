"""Packing and verifying from the command line; killed in the middle, it goes on."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from stfw.commands.data import main
from stfw.data.folder import Folder
from stfw.data.shards import Shards
from stfw.data.toy_render import draw_scene, render
from stfw.types import UserError
from stfw.video.writer import write_video


def words(out: Path, videos: Path, *more: str) -> list[str]:
    own = ["pack", str(out), "--shard-mb", "0.003", *more]
    fractions = ["data.val_fraction=0.25", "data.test_fraction=0.25"]
    return [*own, "--", "data=folder", f"data.root={videos}", *fractions]


def test_packed_shards_verify_and_damage_is_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Folder.write_toy(tmp_path / "videos")
    out = tmp_path / "out"
    main(words(out, tmp_path / "videos", "--workers", "2"))
    assert capsys.readouterr().out.startswith("4 samples in")
    main(["verify", str(out), "--workers", "1"])
    num_shards = len(list(out.glob("*.tar")))
    assert capsys.readouterr().out == f"{num_shards} shards, 4 samples, all well\n"

    def found(mistakes: str) -> None:
        with pytest.raises(UserError, match=mistakes):
            main(["verify", str(out), "--workers", "1"])

    shard = sorted(out.glob("*.tar"))[0]
    content = bytearray(shard.read_bytes())
    content[700] ^= 1
    shard.write_bytes(content)
    found(f"^{shard.name}: has other content\n1 mistakes; {num_shards} files")
    shard.write_bytes(content[:-512])
    found(f"{shard.name}: has {len(content) - 512} bytes and should have {len(content)}")
    shard.unlink()
    (out / "train-00077.tar").touch()
    found(f"{shard.name}: is missing\ntrain-00077.tar: is not in the index")


def test_any_folder_with_checksums_verifies(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/x").write_bytes(b"abc")
    sums = {"a/x": hashlib.sha256(b"abc").hexdigest()}

    def verify(sums: object) -> None:
        (tmp_path / "checksums.json").write_text(json.dumps(sums))
        main(["verify", str(tmp_path), "--workers", "1"])

    verify(sums)
    assert capsys.readouterr().out == "1 files, all well\n"
    with pytest.raises(UserError, match="a/y: is missing"):
        verify({**sums, "a/y": "0"})
    with pytest.raises(UserError, match=r"names '\.\./x', which is outside the folder"):
        verify({**sums, "../x": "0"})
    with pytest.raises(UserError, match="is damaged; make it again"):
        verify([1])
    (tmp_path / "a/x").write_bytes(b"abd")
    with pytest.raises(UserError, match="a/x: has other content"):
        verify(sums)
    with pytest.raises(UserError, match="holds neither"):
        main(["verify", str(tmp_path / "a")])


def test_killed_in_the_middle_it_goes_on_to_the_same_result(tmp_path: Path) -> None:
    videos = tmp_path / "videos"
    for number in range(24):
        label = ("left", "right")[number % 2]
        (videos / label).mkdir(parents=True, exist_ok=True)
        scene = draw_scene(label, "red", 8, 32, np.random.default_rng(number))
        write_video(videos / label / f"{number}.mp4", render(scene), fps=8)
    main(words(tmp_path / "whole", videos, "--workers", "1"))
    out = tmp_path / "killed"
    command = [sys.executable, "-m", "stfw", "data", *words(out, videos, "--workers", "1")]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    while not list(out.glob("*.json")) and process.poll() is None:  # the first shard stands
        os.sched_yield()
    process.send_signal(signal.SIGKILL)
    process.wait()
    for shard in out.glob("*.tar"):  # whatever has its name is whole
        assert shard.read_bytes() == (tmp_path / "whole" / shard.name).read_bytes()
    main(words(out, videos, "--workers", "1"))
    ours, whole = ({p.name: p.read_bytes() for p in f.iterdir()} for f in (out, tmp_path / "whole"))
    assert ours == whole


def test_overrides_need_no_dashes_before_them(tmp_path: Path) -> None:
    Folder.write_toy(tmp_path / "videos")
    out, given = tmp_path / "out", words(tmp_path / "out", tmp_path / "videos", "--workers", "1")
    main([word for word in given if word != "--"])
    assert len(Shards(str(out)).records("train")) == 2


LIMITED = """
import resource, sys
from stfw.cli import main
resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024))  # as a disk that is full
main(["data", *sys.argv[1:]])
"""


@pytest.mark.skipif(os.name != "posix", reason="limits of POSIX")
def test_a_disk_that_is_full_is_one_sentence(tmp_path: Path) -> None:
    Folder.write_toy(tmp_path / "videos")
    out = tmp_path / "out"
    command = [sys.executable, "-c", LIMITED, *words(out, tmp_path / "videos", "--workers", "1")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "File too large; the shards that are whole are kept" in done.stderr
    assert not list(out.iterdir())


def test_mistakes_are_named(tmp_path: Path) -> None:
    Folder.write_toy(tmp_path / "videos")
    with pytest.raises(UserError, match="--shard-mb 0"):
        main(["pack", str(tmp_path / "out"), "--shard-mb", "0", "--", "data=toy"])
    with pytest.raises(UserError, match="no such tool; did you mean 'pack'"):
        main(["pakc"])
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be made a folder"):
        main(words(tmp_path / "file" / "out", tmp_path / "videos"))
