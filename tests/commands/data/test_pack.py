"""Packing and verifying from the command line; killed in the middle, it goes on."""

from __future__ import annotations

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
from stfw.data.toy_render import draw_scene, render
from stfw.types import UserError
from stfw.video.writer import write_video


def words(out: Path, videos: Path, *more: str) -> list[str]:
    own = ["pack", str(out), "--shard-mb", "0.003", *more]
    fractions = ["data.val_fraction=0.25", "data.test_fraction=0.25"]
    return [*own, "--", "data=folder", f"data.root={videos}", *fractions]


def test_packed_shards_verify_and_a_flipped_byte_is_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Folder.write_toy(tmp_path / "videos")
    main(words(tmp_path / "out", tmp_path / "videos", "--workers", "2"))
    assert "4 samples in" in capsys.readouterr().out
    main(["verify", str(tmp_path / "out"), "--workers", "1"])
    assert "4 samples, all as written" in capsys.readouterr().out
    shard = sorted((tmp_path / "out").glob("*.tar"))[0]
    content = bytearray(shard.read_bytes())
    content[700] ^= 1
    shard.write_bytes(content)
    with pytest.raises(UserError, match=f"{shard.name}: has other content\n1 of"):
        main(["verify", str(tmp_path / "out"), "--workers", "1"])
    shard.unlink()
    with pytest.raises(UserError, match=f"{shard.name}: is missing"):
        main(["verify", str(tmp_path / "out"), "--workers", "1"])
    with pytest.raises(UserError, match="holds neither"):
        main(["verify", str(tmp_path / "videos")])


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
    sums = [json.loads((p / "index.json").read_text()) for p in (out, tmp_path / "whole")]
    assert sums[0] == sums[1]


def test_mistakes_are_named(tmp_path: Path) -> None:
    Folder.write_toy(tmp_path / "videos")
    with pytest.raises(UserError, match="--shard-mb 0"):
        main(["pack", str(tmp_path / "out"), "--shard-mb", "0", "--", "data=toy"])
    with pytest.raises(UserError, match="no such tool; did you mean 'pack'"):
        main(["pakc"])
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be made a folder"):
        main(words(tmp_path / "file" / "out", tmp_path / "videos"))
