"""Two jobs that end at once, for tests of what runs jobs."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from stfw.commands.launch import Job, Launcher

# two that end at once: help, and a mistake
QUICK = [Job("good", ["--help"]), Job("bad", ["model=nothing"], "the bad one")]


def run_quick(launcher: Launcher, logs: Path, at_a_time: int | None = 2) -> None:
    """One job that succeeds, one that does not; both leave their output."""
    logs.mkdir(exist_ok=True)
    with closing(launcher.run(QUICK, logs, at_a_time)) as results:
        ended = {job.name: status for job, status in results}
    assert ended == {"good": 0, "bad": 2}
    assert (logs / "good.log").read_text().startswith("$ stfw train --help\nstfw train: ")
    assert "model=nothing: no such option" in (logs / "bad.log").read_text()
