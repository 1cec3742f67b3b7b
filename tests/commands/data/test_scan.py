"""Scanning: what is wrong is found, what is known is not looked at again."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stfw.commands.data import main
from stfw.data.folder import Folder
from stfw.types import UserError
from stfw.video.probe import probe
from stfw.video.writer import write_video


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    Folder.write_toy(tmp_path / "videos")
    return tmp_path / "videos"


def scan(folder: Path, *words: object) -> dict[str, Any]:
    """Scans into ``folder/scan.html`` and gives the JSON."""
    out = ["--out", folder / "scan.html", "--json", folder / "scan.json", "--workers", 1]
    given = list(words)
    at = given.index("--") if "--" in given else len(given)
    main(["scan", *map(str, [*given[:at], *out, *given[at:]])])
    return json.loads((folder / "scan.json").read_text())


def test_a_clean_folder(videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = scan(tmp_path, videos)
    counts = found["counts"]
    assert (counts["num_videos"], counts["num_readable"], counts["num_frames"]) == (4, 4, 64)
    assert counts["codecs"] == {"h264": 4}
    assert counts["sizes"] == {"32x32": 4}
    assert counts["rates"] == {"8": 4}
    assert {name for name, rows in found["findings"].items() if rows} == {"very short"}
    told = capsys.readouterr().out
    assert "4 of 4 videos can be read: 64 frames, 8.0 s" in told
    page = (tmp_path / "scan.html").read_text()
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org", "")


def test_what_is_wrong_is_found(videos: Path, tmp_path: Path) -> None:
    (videos / "left" / "text.mp4").write_text("no video")
    shutil.copy(videos / "left" / "0.mp4", videos / "right" / "copy.mp4")
    (videos / "right" / "3.mp4").rename(videos / "right" / "3.avi")
    long = np.zeros((40, 16, 16, 3), np.uint8)
    write_video(videos / "left" / "long.mp4", long, fps=0.05)
    found = scan(tmp_path, videos)["findings"]
    (bad,) = found["unreadable"]
    assert (bad["video"], bad["kind"]) == ("left/text.mp4", "open")
    assert found["equal files"] == [{"videos": "left/0.mp4 | right/copy.mp4", "copies": 2}]
    assert [row["video"] for row in found["wrongly named"]] == ["right/3.avi"]
    assert "left/long.mp4" not in [row["video"] for row in found["very short"]]
    assert [row["video"] for row in found["very long"]] == ["left/long.mp4"]
    assert found["equal files in different splits"] == []
    page = (tmp_path / "scan.html").read_text()
    assert "left/text.mp4" in page
    assert "Equal files" in page
    without = scan(tmp_path, "--no-hash", videos)["findings"]
    assert without["equal files"] == found["equal files"]  # it is known by now


def test_damage_shows_when_all_is_decoded(tmp_path: Path) -> None:
    folder = tmp_path / "videos"
    folder.mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (40, 48, 64, 3), np.uint8)
    write_video(folder / "good.mp4", noise, 25, options={"g": "10"})
    content = bytearray((folder / "good.mp4").read_bytes())
    middle = int(probe(str(folder / "good.mp4")).key_pos_G[2])
    content[middle + 40 : middle + 120] = bytes(range(80))
    (folder / "bad.mp4").write_bytes(content)
    assert scan(tmp_path, folder)["findings"]["damaged"] == []
    (row,) = scan(tmp_path, folder, "--decode")["findings"]["damaged"]
    assert row["video"] == "bad.mp4"
    assert row["damaged"] > 0


def test_it_goes_on_where_it_stopped(videos: Path, tmp_path: Path) -> None:
    scan(tmp_path, videos)
    journal = tmp_path / "scan.jsonl"
    first, *others = journal.read_text().splitlines()
    row = json.loads(first)
    assert row["num_frames"] == 16
    # what the journal says is believed, a line cut short is not
    told = json.dumps({**row, "num_frames": 777})
    journal.write_text("\n".join([told, *others[:1], others[1][: len(others[1]) // 2]]))
    files = {file["path"]: file for file in scan(tmp_path, videos)["files"]}
    assert files[row["path"]]["num_frames"] == 777
    assert sorted(f["num_frames"] for f in files.values()) == [16, 16, 16, 777]
    assert all(json.loads(line) for line in journal.read_text().splitlines()[3:])
    os.utime(row["path"], (1, 1))  # a changed file is looked at again
    files = {file["path"]: file for file in scan(tmp_path, videos)["files"]}
    assert files[row["path"]]["num_frames"] == 16


def test_leaks_and_doubtful_labels_of_a_data_set(videos: Path, tmp_path: Path) -> None:
    shutil.copy(videos / "left" / "0.mp4", videos / "leak.mp4")
    shutil.copy(videos / "right" / "1.mp4", videos / "doubt.mp4")
    rows = ["path,label,split", "left/0.mp4,left,train", "leak.mp4,left,test"]
    rows += ["right/1.mp4,right,train", "doubt.mp4,left,train", "right/3.mp4,right,val"]
    (videos / "table.csv").write_text("\n".join(rows))
    found = scan(tmp_path, "--", "data=table", f"data.path={videos / 'table.csv'}")
    (leak,) = found["findings"]["equal files in different splits"]
    assert set(leak["videos"].split(" | ")) == {"leak.mp4", "left/0.mp4"}
    (doubt,) = found["findings"]["equal files of different classes"]
    assert set(doubt["videos"].split(" | ")) == {"doubt.mp4", "right/1.mp4"}
    page = (tmp_path / "scan.html").read_text()
    assert "<h2>Classes</h2>" in page


def test_missing_files_of_official_lists(shared_videos: Path, tmp_path: Path) -> None:
    found = scan(tmp_path, "--", "data=ucf101", f"data.root={shared_videos / 'UCF-101'}")
    assert found["counts"]["num_readable"] == 5
    assert len(found["findings"]["missing"]) == 13320 - 5
    assert found["findings"]["unreadable"] == []


def test_odd_files_are_told_apart(shared_videos: Path, tmp_path: Path) -> None:
    found = scan(tmp_path, shared_videos / "odd", "--decode")["findings"]
    assert {row["video"]: row["kind"] for row in found["unreadable"]} == {
        "mp4__testdata__cbcs.mp4": "open",
        "mp4__testdata__init.mp4": "decode",
        "mp4__testdata__init_truncated.mp4": "no_video",
        "mp4__testdata__opus.mp4": "no_video",
    }
    assert [row["video"] for row in found["damaged"]] == ["corrupted.mp4"]


def test_two_processes_find_what_one_finds(videos: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    one = scan(tmp_path / "one", videos)
    two = scan(tmp_path / "two", videos, "--workers", 2)
    assert one == two


def test_mistakes_are_told(videos: Path, tmp_path: Path) -> None:
    for words, message in (
        (["nowhere"], "no such file or folder"),
        ([], "give a folder, or a data set"),
        ([str(videos), "--out", "scan.txt"], "ends in .html"),
        ([str(videos), "--out", str(tmp_path / "no" / "scan.html")], "there is no folder"),
    ):
        with pytest.raises(UserError, match=message):
            main(["scan", *words])
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="there are no videos"):
        main(["scan", str(tmp_path / "empty")])
