"""A download goes on where it was cut, and is checked."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from stfw.runs import download as module
from stfw.runs.download import MOST_FAILURES, download
from tests.range_server import Server, serving

CONTENT = bytes(range(256)) * 40
DIGEST = hashlib.sha256(CONTENT).hexdigest()[:8]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "w.pth").write_bytes(CONTENT)
    with serving(tmp_path / "there") as made:
        yield made


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSE_SEC", 0.0)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "hub" / "w.pth"


def sizes(server: Server) -> list[int]:
    return [size for _, size in server.requested]


def test_whole_at_once(server: Server, target: Path) -> None:
    download(f"{server.url}/w.pth", target, DIGEST)
    assert target.read_bytes() == CONTENT
    assert [path.name for path in target.parent.iterdir()] == ["w.pth"]
    download(f"{server.url}/w.pth", target, DIGEST)
    assert sizes(server) == [len(CONTENT)]


def test_cut_in_the_middle_it_asks_for_the_rest_alone(server: Server, target: Path) -> None:
    server.cuts = [1000, 3000]
    download(f"{server.url}/w.pth", target, DIGEST)
    assert target.read_bytes() == CONTENT
    assert sizes(server) == [1000, 3000, len(CONTENT) - 4000]


def test_the_next_run_goes_on(server: Server, target: Path) -> None:
    server.cuts = [1000] + [0] * MOST_FAILURES
    with pytest.raises(OSError, match="ended too early; 1,000 bytes are kept"):
        download(f"{server.url}/w.pth", target, DIGEST)
    assert not target.exists()
    download(f"{server.url}/w.pth", target, DIGEST)
    assert target.read_bytes() == CONTENT
    assert sizes(server)[-1] == len(CONTENT) - 1000


def test_a_server_that_sends_whole_files_begins_anew(server: Server, target: Path) -> None:
    server.knows_ranges = False
    server.cuts = [1000, 500]
    download(f"{server.url}/w.pth", target, DIGEST)
    assert target.read_bytes() == CONTENT
    assert sizes(server) == [1000, 500, len(CONTENT)]


def test_a_server_s_own_trouble_is_tried_again_and_a_missing_file_is_not(
    server: Server, target: Path
) -> None:
    server.failures = [503, 500]
    download(f"{server.url}/w.pth", target, DIGEST)
    assert sizes(server) == [0, 0, len(CONTENT)]
    with pytest.raises(OSError, match="404"):
        download(f"{server.url}/v.pth", target.with_name("v.pth"), DIGEST)


def test_another_digest_is_refused_and_leaves_nothing_to_go_on_from(
    server: Server, target: Path
) -> None:
    with pytest.raises(OSError, match=f"begins with {DIGEST} and not with 00000000"):
        download(f"{server.url}/w.pth", target, "00000000")
    assert not target.exists()
    download(f"{server.url}/w.pth", target, DIGEST)
    assert target.read_bytes() == CONTENT


def test_what_was_kept_whole_is_only_checked(server: Server, target: Path) -> None:
    target.parent.mkdir()
    target.with_name("w.pth.part").write_bytes(CONTENT)
    download(f"{server.url}/w.pth", target, DIGEST)
    assert target.read_bytes() == CONTENT
    assert sizes(server) == []


def test_a_damaged_file_is_not_used(server: Server, target: Path) -> None:
    target.parent.mkdir()
    target.write_bytes(CONTENT[:-1])
    with pytest.raises(OSError, match=r"w\.pth begins with"):
        download(f"{server.url}/w.pth", target, DIGEST)


def test_of_several_at_once_one_fetches(server: Server, target: Path) -> None:
    threads = [
        threading.Thread(target=download, args=(f"{server.url}/w.pth", target, DIGEST))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert target.read_bytes() == CONTENT
    assert sizes(server) == [len(CONTENT)]
