"""Preparing: what training reads afterwards is the same data; killed, it goes on."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from stfw.commands.data import main
from stfw.commands.data._gain import cost_ms
from stfw.data.folder import Folder
from stfw.data.table import Table
from stfw.data.ucf101 import UCF101
from stfw.types import UserError
from stfw.video.probe import probe
from stfw.video.writer import write_video

FRACTIONS = ["data.val_fraction=0.25", "data.test_fraction=0.25"]


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    Folder.write_toy(tmp_path / "videos")
    return tmp_path / "videos"


def prepare(*words: object) -> None:
    main(["prepare", *map(str, words), "--workers", "1"])


def test_a_folder_is_mirrored(
    videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    (videos / "left" / "0.mp4").rename(videos / "left" / "0.mkv")
    prepare(out, videos, "--short-side", 24)
    assert {p.relative_to(out).as_posix() for p in out.rglob("*.mp4")} == {
        *("left/0.mp4", "left/2.mp4", "right/1.mp4", "right/3.mp4")
    }
    for path in out.rglob("*.mp4"):
        info = probe(str(path)).info
        assert (info.num_frames, info.height, info.width) == (16, 24, 24)
    sums = json.loads((out / "checksums.json").read_text())
    assert sorted(sums) == sorted(p.relative_to(out).as_posix() for p in out.rglob("*.mp4"))
    told = capsys.readouterr().out
    assert f"train with data=folder data.root={out}" in told
    assert "of CPU time instead of" in told
    assert Folder(str(out)).classes == ["left", "right"]
    main(["verify", str(out), "--workers", "1"])


def test_smaller_videos_keep_their_size(videos: Path, tmp_path: Path) -> None:
    prepare(tmp_path / "out", videos)
    sizes = {probe(str(p)).info.height for p in (tmp_path / "out").rglob("*.mp4")}
    assert sizes == {probe(str(videos / "left" / "0.mp4")).info.height}


def test_a_data_set_becomes_a_table(tmp_path: Path) -> None:
    source = UCF101.write_toy(tmp_path / "ucf")
    out = tmp_path / "out"
    data = ["data=ucf101", f"data.root={tmp_path / 'ucf'}", "data.val_fraction=0"]
    main(["prepare", str(out), "--workers", "1", "--", *data])
    table = Table(str(out / "table.csv"))
    assert table.classes == source.classes
    source = UCF101(str(tmp_path / "ucf"), val_fraction=0)
    for split in ("train", "val", "test"):
        before, after = source.records(split), table.records(split)
        assert [r.video_id[:-4] for r in after] == [r.video_id[:-4] for r in before]
        assert [(r.label, r.group) for r in after] == [(r.label, r.group) for r in before]
        for one, other in zip(before, after, strict=True):
            infos = probe(one.path).info, probe(other.path).info
            assert infos[0].num_frames == infos[1].num_frames


def test_labelled_parts_share_a_file(tmp_path: Path) -> None:
    Table.write_toy(tmp_path / "toy")
    rows = ["path,label,start_sec,end_sec,group,split"]
    for number, split in enumerate(("train", "train", "val", "test")):
        rows += [f"videos/{number}.mp4,up,0,1.0,g{number},{split}"]
        rows += [f"videos/{number}.mp4,down,1.0,,g{number},{split}"]
    (tmp_path / "toy" / "parts.csv").write_text("\n".join(rows))
    path = tmp_path / "toy" / "parts.csv"
    out = tmp_path / "out"
    main(["prepare", str(out), "--workers", "1", "--", "data=table", f"data.path={path}"])
    assert len(list(out.rglob("*.mp4"))) == 4
    before, after = Table(str(path)), Table(str(out / "table.csv"))
    for split in ("train", "val", "test"):
        assert [
            (r.video_id, r.label, r.start_sec, r.end_sec, r.group) for r in after.records(split)
        ] == [(r.video_id, r.label, r.start_sec, r.end_sec, r.group) for r in before.records(split)]


def test_what_is_done_stays_done(videos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    prepare(out, videos)
    times = {p: p.stat().st_mtime_ns for p in out.rglob("*.mp4")}
    changed = videos / "left" / "0.mp4"
    write_video(changed, np.full((5, 32, 32, 3), 200, np.uint8), 8)
    (out / "left" / "2.mp4").unlink()
    prepare(out, videos)
    redone = {p.name for p in times if p.stat().st_mtime_ns != times[p]}
    assert redone == {"0.mp4", "2.mp4"}
    assert probe(str(out / "left" / "0.mp4")).info.num_frames == 5
    with pytest.raises(UserError, match="begun with other settings: crf was 18 and is 20"):
        prepare(out, videos, "--crf", 20)


def test_bad_videos_are_listed_and_left_out(videos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (videos / "left" / "0.mp4").write_text("no video")
    groups = "\n".join(f"{p.relative_to(videos)},{p.stem}" for p in videos.rglob("*.mp4"))
    (tmp_path / "groups.csv").write_text(f"path,group\n{groups}\n")
    prepare(out, videos, "--groups", tmp_path / "groups.csv")
    (row,) = (out / "bad_videos.jsonl").read_text().splitlines()
    assert json.loads(row)["path"] == str(videos / "left" / "0.mp4")
    assert not (out / "left" / "0.mp4").exists()
    reader = Folder(str(out), "groups.csv", val_fraction=0.3, test_fraction=0)
    assert {r.group for s in ("train", "val") for r in reader.records(s)} == {*"123"}


def test_equal_names_are_told_apart(videos: Path, tmp_path: Path) -> None:
    content = (videos / "left" / "0.mp4").read_bytes()
    (videos / "left" / "0.mkv").write_bytes(content)
    prepare(tmp_path / "out", videos)
    names = {p.name for p in (tmp_path / "out" / "left").iterdir()}
    assert names == {"0.mp4.mp4", "0.mkv.mp4", "2.mp4"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--short-side", "255"], "even number"),
        (["--crf", "60"], "0..51"),
        (["--fps", "0"], "above 0"),
        (["--workers", "0"], "below 1"),
    ],
)
def test_mistakes_are_told(videos: Path, tmp_path: Path, words: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        main(["prepare", str(tmp_path / "out"), str(videos), *words])


def test_the_results_lie_elsewhere(videos: Path) -> None:
    with pytest.raises(UserError, match="lie in each other"):
        prepare(videos / "out", videos)
    with pytest.raises(UserError, match="give a folder, or a data set"):
        prepare("out")


def test_killed_at_any_moment_it_goes_on(tmp_path: Path) -> None:
    videos = tmp_path / "videos"
    videos.mkdir()
    generator = np.random.default_rng(0)
    for number in range(8):
        noise = generator.integers(0, 256, (12, 120, 160, 3), np.uint8)
        write_video(videos / f"{number}.mp4", noise.repeat(6, axis=0), 25)
    command = [sys.executable, "-m", "stfw", "data", "prepare"]
    whole, out = tmp_path / "whole", tmp_path / "out"
    repo = Path(__file__).parents[3]
    subprocess.run([*command, str(whole), str(videos), "--workers", "1"], check=True, cwd=repo)
    expected = json.loads((whole / "checksums.json").read_text())

    process = subprocess.Popen(
        [*command, str(out), str(videos), "--workers", "2"], cwd=repo, stdout=subprocess.PIPE
    )
    while not list(out.rglob("*.mp4")):
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    finished = list(out.glob("*.mp4"))
    assert 0 < len(finished) < 8
    for path in finished:
        assert path.read_bytes() == (whole / path.name).read_bytes()
    assert not (out / "checksums.json").exists()

    subprocess.run([*command, str(out), str(videos), "--workers", "2"], check=True, cwd=repo)
    assert json.loads((out / "checksums.json").read_text()) == expected
    for name in expected:
        assert (out / name).read_bytes() == (whole / name).read_bytes()
    assert not list(out.rglob("*.part"))


def test_720p_decodes_four_times_faster(shared_videos: Path, tmp_path: Path) -> None:
    source = tmp_path / "videos" / "k720.mp4"
    source.parent.mkdir()
    source.symlink_to(shared_videos / "bench" / "k720_g12.mp4")
    prepare(tmp_path / "out", source.parent)
    result = probe(str(tmp_path / "out" / "k720.mp4"))
    size = result.info.height, result.info.width
    assert size == (256, 454)
    assert cost_ms(probe(str(source)), size) > 4 * cost_ms(result, size)
