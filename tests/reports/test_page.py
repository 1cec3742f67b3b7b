"""The page says what the files say, whatever is missing from them."""

from __future__ import annotations

import base64
import html
import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from stfw.reports.clips import moments
from stfw.reports.page import SECTIONS, write_report
from tests.reports.conftest import NASTY, ROWS

MakeRun = Callable[..., Path]
FILES = ("run.json", "metrics.csv", "predictions.csv", "config.yaml", "overrides.txt")
FAILED = "This part could not be shown"


def text(page: str) -> str:
    """What a person reads, blanks made one."""
    seen = re.sub(r"<style>.*?</style>|<[^>]*>", " ", page, flags=re.S)
    return " ".join(html.unescape(seen).split())


def section(page: str, title: str) -> str:
    return page.split(f"<h2>{title}</h2>")[1].split("</section>")[0]


def cells(part: str) -> list[list[str]]:
    return [
        [html.unescape(cell) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row)]
        for row in re.findall(r"<tr>(.*?)</tr>", part)
    ]


def test_numbers_are_those_counted_by_hand(make_run: MakeRun) -> None:
    path = write_report(make_run())
    page = path.read_text()
    head = text(page.split("<header>")[1].split("</header>")[0])
    assert path.name == "report.html"
    assert FAILED not in page
    for words in (
        "finished · 2026-01-02 03:04 UTC · 2 min 5 s",
        "62.5% test top-1",
        "43.2% test mean class accuracy",
        "50.0% always “walk”",  # 4 of 8 test videos
        "5 of 8 videos right · 95% interval 30.6 to 86.3%",
        "views 10x3",
        "not clearly above 50.0%",
        "1 class is never predicted: run.",
    ):
        assert words in head
    assert cells(section(page, "Classes")) == [
        ["class", "precision", "recall", "F1", "videos"],
        ["walk", "60.0%", "75.0%", "66.7%", "4"],
        [NASTY, "66.7%", "66.7%", "66.7%", "3"],
        ["run", "–", "0.0%", "0.0%", "1"],
        ["macro average", "42.2%", "47.2%", "44.4%", "8"],
        ["weighted average", "55.0%", "62.5%", "58.3%", "8"],
    ]
    assert ["all", "8", "8"] in cells(section(page, "Data"))
    assert "highest after epoch 1: 87.5%" in text(section(page, "Learning"))
    assert "1,234,567" in section(page, "Choices")
    assert "waiting for data 10.0 s, 20.0%" in text(section(page, "Time"))
    assert 'class="model" style="width:60.00%"' in section(page, "Time")


def test_the_command_repeats_the_overrides_without_the_place(make_run: MakeRun) -> None:
    shown = section(write_report(make_run()).read_text(), "Repeat")
    command = re.search(r'<pre class="command">(.*?)</pre>', shown)
    assert command is not None
    assert html.unescape(command[1]) == "stfw train model=c3d 'name=my run'"


def test_wrong_clips_come_with_their_frames_most_confident_first(make_run: MakeRun) -> None:
    shown = section(write_report(make_run()).read_text(), "Most confidently wrong")
    assert [int(n) for n in re.findall(r"video(\d)", shown)] == [6, 3, 7]
    assert f"{NASTY}, taken for walk 95.0% sure, 3.0% for the truth" in text(shown)
    from PIL import Image

    images = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', shown)
    assert len(images) == 9
    greys = [np.asarray(Image.open(io.BytesIO(base64.b64decode(i)))).mean() for i in images[:3]]
    assert greys == pytest.approx([40, 120, 200], abs=4)  # frames 0, 4 and 8


def test_frames_keep_the_shape_of_the_video(clip: str) -> None:
    assert moments(clip).shape == (3, 96, 128, 3)


def test_a_video_within_a_shard_is_shown(make_run: MakeRun, clip: str, tmp_path: Path) -> None:
    video, shard = Path(clip).read_bytes(), tmp_path / "shard.tar"
    shard.write_bytes(bytes(512) + video + bytes(512))
    span = (512, len(video))
    assert np.array_equal(moments(str(shard), span), moments(clip))
    run = make_run(paths=dict.fromkeys(range(len(ROWS)), str(shard)), span=span)
    page = section(write_report(run).read_text(), "Most confidently wrong")
    assert page.count('alt="middle frame"') > 0
    assert "strip lost" not in page


def test_a_clip_that_cannot_be_read_says_why(make_run: MakeRun, tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    page = write_report(make_run(paths={6: "/nowhere/a.mp4", 3: str(broken), 7: ""})).read_text()
    assert "there is no such file" in page
    assert section(page, "Most confidently wrong").count('class="strip lost"') == 3
    assert FAILED not in page


def test_the_page_needs_nothing_else(make_run: MakeRun) -> None:
    page = write_report(make_run()).read_text()
    for link in re.findall(r'\b(?:src|srcset|href|data|action)="([^"]*)"', page):
        assert link.startswith("data:image/")
    assert not re.search(r"<(script|link|iframe|object)\b|@import|url\(", page)
    pictures = re.findall(r"data:image/svg\+xml;base64,([^\"]+)", page)
    assert len(pictures) == 8  # loss, accuracy, lr, confusion: each light and dark
    for picture in pictures:
        svg = base64.b64decode(picture).decode()
        # a link within the file (#...) is fine, a picture within it too
        assert all(to.startswith(("#", "data:")) for to in re.findall(r'xlink:href="([^"]*)"', svg))


def test_names_are_text_never_markup(make_run: MakeRun) -> None:
    page = write_report(make_run(name="<i>run", reason="<u>", status="failed")).read_text()
    assert NASTY[:5] not in page
    assert "<script>" not in page
    assert "<i>run" not in page
    assert "<u>" not in page
    assert html.escape(NASTY) in page
    svg = base64.b64decode(re.findall(r"base64,([^\"]+)", section(page, "Confusion"))[0])
    shown = re.findall(r"<text[^>]*>([^<]*)</text>", svg.decode())
    assert NASTY in map(html.unescape, shown)  # its dollars are no mathematics
    assert "The run failed: <u>." in html.unescape(page)


def test_secrets_stay_at_home(make_run: MakeRun) -> None:
    assert "hush" not in write_report(make_run()).read_text()


@pytest.mark.parametrize("name", FILES)
def test_each_file_may_be_missing(make_run: MakeRun, name: str) -> None:
    path = make_run()
    (path / name).unlink()
    page = write_report(path).read_text()
    assert FAILED not in page
    if name != "overrides.txt":  # the command of run.json stands in
        assert f"There is no {name} in this run." in page
    assert all(f"<h2>{title}</h2>" in page for title in SECTIONS)


@pytest.mark.parametrize("name", FILES)
def test_each_file_may_stand_alone(make_run: MakeRun, name: str) -> None:
    path = make_run()
    for other in set(FILES) - {name}:
        (path / other).unlink()
    assert FAILED not in write_report(path).read_text()


def test_an_empty_folder_gives_a_page_too(tmp_path: Path) -> None:
    page = write_report(tmp_path).read_text()
    assert FAILED not in page
    assert "no test result" in page


@pytest.mark.parametrize(
    "key", ["status", "summary", "data", "metrics", "timings", "versions", "classes", "git"]
)
@pytest.mark.parametrize("value", [None, {}, "odd", {"splits": 3, "choices": 1, "test/top1": "x"}])
def test_each_key_may_be_odd(make_run: MakeRun, key: str, value: object) -> None:
    path = make_run()
    record = json.loads((path / "run.json").read_text())
    (path / "run.json").write_text(json.dumps({**record, key: value}))
    (path / "predictions.csv").unlink()  # so that no video is decoded here
    (path / "metrics.csv").unlink()
    assert FAILED not in write_report(path).read_text()


@pytest.mark.parametrize("num_classes", [2, 101])
def test_few_and_many_classes(make_run: MakeRun, num_classes: int) -> None:
    classes = [f"class{k:03d}" for k in range(num_classes)]
    eye = np.full((num_classes, num_classes), 0.1) + 0.5 * np.eye(num_classes)
    rows = [(k, k, eye[k]) for k in range(num_classes)] * 2
    rows += [(1, 0, eye[0])] * 3  # class001 is taken for class000 three times
    page = write_report(make_run(classes=classes, rows=rows)).read_text()
    assert FAILED not in page
    assert len(cells(section(page, "Classes"))) == num_classes + 3
    confusion = section(page, "Confusion")
    pairs = cells(confusion)
    assert pairs[1:] == ([["class001", "class000", "3", "60.0%"]] if num_classes > 30 else [])
    svg = base64.b64decode(re.findall(r"base64,([^\"]+)", confusion)[0]).decode()
    names = set(re.findall(r">\s*(class\d{3})\s*<", svg))
    assert len(names) == num_classes if num_classes == 2 else 20 <= len(names) <= 30


def test_what_stands_out_is_said(make_run: MakeRun) -> None:
    path = make_run(
        status="interrupted",
        reason="stopped by hand",
        metrics={"test/top1": 0.9},
        git={"commit": "1", "dirty": True},
        timings={"wait_sec": 40.0, "fit_sec": 50.0},
    )
    (path / "metrics.csv").write_text("epoch,val/loss\n0,2\n1,1\n2,1.5\n3,nan\n")
    (path / "bad_samples.jsonl").write_text('{"path": "a"}\n{"path": "b"}\n{"path": "a"}\n')
    page = text(write_report(path).read_text())
    for words in (
        "The run was interrupted: stopped by hand.",
        "2 samples could not be read",
        "predictions.csv gives top-1 62.5% and run.json 90.0%",
        "lowest after epoch 1 (1) and rose to 1.5",
        "A loss was not a finite number",
        "waited for data 80.0% of its time",
        "changes that are not in the commit",
    ):
        assert words in page


def test_a_good_run_gets_no_warning(make_run: MakeRun) -> None:
    rows = [(k, k, np.eye(3)[k]) for k in range(3)] * 20
    page = write_report(make_run(rows=rows)).read_text()
    assert 'class="notes"' not in page
    assert "Every test video was predicted right." in page


def test_the_page_is_replaced_whole_and_repeats(make_run: MakeRun) -> None:
    path = make_run()
    first = write_report(path).read_bytes()
    assert write_report(path).read_bytes() == first
    assert not list(path.glob("*.part"))
