"""``stfw runs diff`` and ``compare``: what differs, and nothing else."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.commands.runs.conftest import Call


def test_only_what_differs(stfw: Call, runs: Path) -> None:
    status, told, _ = stfw("runs", "diff", "aaaaaa", "bbbbbb", "--json")
    assert status == 0
    found = json.loads(told)
    assert found["config"] == {
        "optimizer.lr": [0.1, 0.01]
    }  # the folders' own names are no difference
    assert found["choices"] == found["environment"] == found["data"] == {}
    assert found["metrics"]["val/top1"] == [0.5, 0.7]


def test_other_models_data_and_machines(stfw: Call, runs: Path) -> None:
    folder = next((runs / "runs").rglob("*bbbbbb"))
    record = json.loads((folder / "run.json").read_text())
    record["git"] = {"commit": "99", "dirty": True}
    record["versions"]["torch"] = "3.0"
    record["data"]["splits"]["train"]["num_videos"] = 17
    (folder / "run.json").write_text(json.dumps(record))
    _, told, _ = stfw("runs", "diff", "aaaaaa", "bbbbbb")
    assert re.search(r"^git\.commit +0123456789 +99$", told, re.M)
    assert re.search(r"^versions\.torch +2\.9\.9 +3\.0$", told, re.M)
    assert re.search(r"^splits\.train\.num_videos +16 +17$", told, re.M)
    assert re.search(r"^val/top1 +0\.5 +0\.7 +\+0\.2000$", told, re.M)
    assert told.strip().splitlines()[-1] == (
        "different: 1 config, 3 environment, 1 data, 3 metrics"
    )
    _, told, _ = stfw("runs", "diff", "aaaaaa", "cccccc")
    assert re.search(r"^model +c3d +i3d$", told, re.M)
    assert re.search(r"^classes +2: left, right +2: left, up$", told, re.M)
    assert "cores" not in told


def test_nothing_differs_and_mistakes(stfw: Call, runs: Path) -> None:
    copy = runs / "runs" / "copy"
    source = next((runs / "runs").rglob("*aaaaaa"))
    copy.mkdir()
    for name in ("run.json", "metrics.csv"):
        (copy / name).write_text((source / name).read_text())
    (copy / "config.yaml").write_text(
        (source / "config.yaml").read_text().replace(str(source), str(copy))
    )
    assert stfw("runs", "diff", "aaaaaa", "copy")[1].endswith("nothing differs\n")
    assert "name the same run" in stfw("runs", "diff", "aaaaaa", "aaaaaa")[2]
    assert "name two runs" in stfw("runs", "diff", "aaaaaa")[2]


def test_the_page_of_a_comparison(stfw: Call, runs: Path) -> None:
    status, told, _ = stfw("runs", "compare", "aaaaaa", "bbbbbb", "cccccc", "out=pages/c.html")
    assert status == 0
    assert told.splitlines()[-1] == "3 runs  pages/c.html"
    page = (runs / "pages" / "c.html").read_text()
    assert "<td>0.1</td><td>0.01</td><td>0.01</td>" in page  # optimizer.lr
    assert "2: left, up" in page
    assert page.count("<picture>") == 2  # val/top1 and lr
    for outside in ("http://", "https://", "<script", 'src="/'):
        assert outside not in page.replace("http://www.w3.org", "")


def test_a_comparison_by_filter(stfw: Call, runs: Path) -> None:
    _, told, _ = stfw("runs", "compare", "model=c3d and status=finished")
    assert told.splitlines()[-1] == "2 runs  compare.html"
    assert (runs / "compare.html").is_file()
    status, _, error = stfw("runs", "compare", "model=i3d and status=finished")
    assert (status, "1 run is not enough" in error) == (2, True)
