"""One view of many jobs: which wait, run, have ended; epoch and score from the runs' folders."""

from __future__ import annotations

import csv
import json
import re
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.table import Table

from stfw.commands.launch import Job, last_lines

SHOWN = 20  # rows on a terminal; the others are counted
LINE_SEC = 60.0  # between lines where there is no terminal
SCORES = ("val/top1", "val/mAP", "val/loss", "train/loss")
ORDER = ("failed", "running", "done", "queued")


@dataclass
class Seen:
    """What is known of a job.

    Attributes:
        job: the job.
        log: its output.
        begin: bytes in its log before it was started.
        state: queued, running, done or failed.
        run: its folder, once it has one.
        epoch: ``3/12``.
        score: ``val/top1 0.812``.
        num_epochs: of the whole run.
    """

    job: Job
    log: Path
    begin: int
    state: str = "queued"
    run: Path | None = None
    epoch: str = ""
    score: str = ""
    num_epochs: int | None = None

    def look(self) -> None:
        """Reads what has changed, wherever the job runs: files alone are asked."""
        if self.state == "queued" and _size(self.log) > self.begin:
            self.state = "running"
        if self.state == "queued":
            return
        if self.run is None:
            self.run = _find_run(self.log, self.begin)
        if self.run is None:
            return
        if self.num_epochs is None:
            try:
                record = json.loads((self.run / "run.json").read_text())
                self.num_epochs = int(record["summary"]["num_epochs"])
            except (OSError, ValueError, KeyError, TypeError):
                return
        row = _last_row(self.run / "metrics.csv")
        if row:
            self.epoch = f"{int(row['epoch']) + 1}/{self.num_epochs}"
            name = next((name for name in SCORES if row.get(name)), None)
            self.score = f"{name} {float(row[name]):.3f}" if name else ""

    def __str__(self) -> str:
        told = [str(self.job), *([f"epoch {self.epoch}"] if self.epoch else []), self.score]
        return "  ".join(text for text in told if text)


class JobView:
    """A table that renews itself on a terminal; elsewhere a line when something has happened.

    Args:
        jobs: all of them.
        logs: folder of their output.
        console: to show it on; None: standard error on a terminal, standard output elsewhere.
    """

    def __init__(self, jobs: Sequence[Job], logs: Path, console: Console | None = None) -> None:
        self.seen = {job.name: Seen(job, job.log(logs), _size(job.log(logs))) for job in jobs}
        self.console = console or Console(stderr=sys.stderr.isatty(), highlight=False)
        self._live: Live | None = None
        self._closed = threading.Event()

    def __enter__(self) -> JobView:
        if self.console.is_terminal:
            self._live = Live(
                get_renderable=self.render,
                console=self.console,
                refresh_per_second=1,
                transient=True,
            )
            self._live.start()
        else:
            threading.Thread(target=self._tell, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closed.set()
        if self._live is not None:
            self._live.stop()

    def ended(self, job: Job, status: int, result: str | None = None) -> None:
        """Notes and tells that a job has ended.

        Args:
            job: one of them.
            status: its exit status.
            result: what it came to; None: its last score and its folder.
        """
        seen = self.seen[job.name]
        seen.look()
        if seen.run is None and not status:  # begun by an earlier command, and taken up
            seen.begin, seen.state = 0, "running"
            seen.look()
        seen.state = "failed" if status else "done"
        if result is None:
            where = [str(seen.run)] if seen.run and not status else []
            result = f"failed (exit {status})" if status else "  ".join([seen.score, *where])
        counts = self.counts()
        line = f"{counts['done'] + counts['failed']}/{len(self.seen)}  {job}  {result}"
        if self._live is not None:
            self._live.console.print(line, soft_wrap=True, markup=False)
        else:
            print(line, flush=True)

    def counts(self) -> Counter[str]:
        """How many jobs are in each state."""
        return Counter(seen.state for seen in self.seen.values())

    def failures(self) -> str:
        """The failed jobs with the ends of their logs; empty: none."""
        return "\n".join(
            f"failed: {seen.job}: see {seen.log}\n{last_lines(seen.log)}"
            for seen in self.seen.values()
            if seen.state == "failed"
        )

    def render(self) -> Table:
        """The jobs as they are now, those first that matter most."""
        self._look()
        table = Table(box=None, pad_edge=False, header_style="bold")
        for name in ("job", "state", "epoch", "score", "run"):
            table.add_column(name, no_wrap=name != "job")
        rows = sorted(self.seen.values(), key=lambda seen: ORDER.index(seen.state))
        for seen in rows[:SHOWN]:
            run = seen.run.name if seen.run else ""
            table.add_row(str(seen.job), seen.state, seen.epoch, seen.score, run)
        table.caption = self.summary()
        return table

    def summary(self) -> str:
        """``2 running, 5 queued, 1 done``"""
        counts = self.counts()
        return ", ".join(f"{counts[state]} {state}" for state in ORDER[::-1] if counts[state])

    def _look(self) -> None:
        for seen in list(self.seen.values()):
            if seen.state in ("queued", "running"):
                seen.look()

    def _tell(self) -> None:
        while not self._closed.wait(LINE_SEC):
            self._look()
            now = [str(seen) for seen in self.seen.values() if seen.state == "running"]
            stamp = time.strftime("%H:%M")
            print(f"{stamp}  {self.summary()}: {'; '.join(now[:SHOWN])}", flush=True)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _find_run(log: Path, begin: int) -> Path | None:
    """The folder that a run's output names."""
    try:
        with log.open("rb") as file:
            file.seek(begin)
            found = re.findall(rb"^run (/.*)$", file.read(1_000_000), re.MULTILINE)
    except OSError:
        return None
    return Path(found[-1].decode(errors="replace")) if found else None


def _last_row(path: Path) -> dict[str, str]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except (OSError, csv.Error):
        return {}
    return rows[-1] if rows else {}
