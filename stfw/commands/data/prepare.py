"""``stfw data prepare``: a copy of a folder or data set whose videos decode fast."""

from __future__ import annotations

import argparse
import json
import os
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stfw.commands.data._gain import gain
from stfw.commands.data._journal import Journal
from stfw.commands.data._sources import (
    add_workers,
    distinct_videos,
    open_reader,
    output_folder,
    parallel,
    split_words,
    write_whole,
)
from stfw.commands.data._store import CHECKSUMS, BadVideos, free_of_parts, keep_settings, sha256
from stfw.types import Record, UserError, VideoError

VERSION = 1  # of what prepare writes; folders of another one are not gone on with
GROUPS = "groups.csv"


@dataclass(frozen=True)
class Job:
    """One video to transcode.

    Attributes:
        path: of the source.
        span: of the video within it.
        name: of the result, relative to ``folder``.
        folder: of the results.
        short_side: of the result, unless the source is smaller.
        gop: frames from one key frame to the next.
        crf: quality of x264.
        fps: frames per second of the result; None: as they are.
    """

    path: str
    span: tuple[int, int] | None
    name: str
    folder: Path
    short_side: int
    gop: int
    crf: int
    fps: float | None

    @property
    def target(self) -> Path:
        return self.folder / self.name


def main(words: Sequence[str]) -> None:
    own, overrides = split_words(words)
    arguments = parser().parse_args(own)
    check(arguments)
    if bool(arguments.folder) == bool(overrides):
        raise UserError(
            "give a folder, or a data set: stfw data prepare OUT -- data=ucf101 data.root=..."
        )
    reader = open_reader(overrides)[1] if overrides else None
    names = mirrored(reader) if reader is not None else found(arguments.folder)
    settings = {name: getattr(arguments, name) for name in ("short_side", "gop", "crf", "fps")}
    folder = outside(arguments.out, arguments.folder)
    keep_settings(folder / "prepared.json", {"version": VERSION, **settings})
    free_of_parts(folder)
    jobs = [Job(path, span, name, folder, **settings) for (path, span), name in names.items()]
    done, num_bad = transcode_all(jobs, Journal(folder / "prepared.jsonl"), arguments.workers)
    write_whole(
        folder / CHECKSUMS,
        json.dumps({name: done[name]["sha256"] for name in sorted(done)}, indent=1) + "\n",
    )
    train = f"data=folder data.root={arguments.out}"
    if reader is not None:
        train = f"data=table data.path={list_records(reader, names, done, folder)}"
    elif arguments.groups:
        copy_groups(arguments.groups, Path(arguments.folder), folder, names, done)
        train += f" data.groups={GROUPS}"
    num_bytes = sum((folder / name).stat().st_size for name in done)
    missing = f", {num_bad} could not be read (bad_videos.jsonl)" if num_bad else ""
    print(f"{len(done)} videos, {num_bytes / 1e6:.1f} MB{missing}")
    print(gain([((job.path, job.span), job.target) for job in jobs if job.name in done]))
    print(f"train with {train}")


def parser() -> argparse.ArgumentParser:
    """The tool's arguments."""
    made = argparse.ArgumentParser(
        prog="stfw data prepare",
        description="Transcode a folder, or a data set named by overrides, to mp4 that decodes "
        "fast; frames, times and sound stay where they are.",
        epilog="example: stfw data prepare ucf_256 -- data=ucf101 data.root=UCF-101",
    )
    made.add_argument("out", help="folder of the results")
    made.add_argument("folder", nargs="?", help="folder of the videos")
    made.add_argument(
        "--short-side", type=int, default=256, help="pixels; smaller videos keep theirs (256)"
    )
    made.add_argument("--gop", type=int, default=12, help="frames between key frames (12)")
    made.add_argument("--crf", type=int, default=18, help="quality of x264, 0..51 (18)")
    made.add_argument("--fps", type=float, help="a constant rate; default: frames as they are")
    made.add_argument("--groups", metavar="FILE", help="of a folder: its groups, to go along")
    add_workers(made)
    return made


def check(arguments: argparse.Namespace) -> None:
    """Raises UserError at settings that no video could be written with."""
    if arguments.short_side < 16 or arguments.short_side % 2:
        raise UserError(f"--short-side {arguments.short_side}: give an even number from 16 on")
    if arguments.gop < 1:
        raise UserError(f"--gop {arguments.gop} is below 1")
    if not 0 <= arguments.crf <= 51:
        raise UserError(f"--crf {arguments.crf} is not among 0..51")
    if arguments.fps is not None and not 0 < arguments.fps <= 1000:
        raise UserError(f"--fps {arguments.fps:g} must be above 0, at most 1000")
    if arguments.groups and not arguments.folder:
        raise UserError("--groups goes with a folder; a data set has its groups already")


def outside(out: str, source: str | None) -> Path:
    """The folder of the results; it must not lie in that of the videos, or contain it."""
    folder = Path(os.path.abspath(os.path.expanduser(out)))
    if source is not None:
        root = Path(os.path.abspath(os.path.expanduser(source)))
        if folder.is_relative_to(root) or root.is_relative_to(folder):
            raise UserError(f"{out} and {source} lie in each other; write to a folder elsewhere")
    return output_folder(out)


Names = dict[tuple[str, "tuple[int, int] | None"], str]  # (path, span) -> name of the result


def found(folder: str) -> Names:
    """The videos of a folder, and the names of their results.

    Raises:
        UserError: there is no such folder, or no video in it.
    """
    from stfw.data.files import existing_folder, find_videos

    root = existing_folder(folder, "FOLDER")
    videos = find_videos(root)
    if not videos:
        raise UserError(f"{folder}: there are no videos in this folder")
    results = named(videos)
    return {(str(root / video), None): results[video] for video in videos}


def mirrored(reader: Any) -> Names:
    """The videos of a data set, and the names of their results: their place below its root."""
    records = distinct_videos(reader)
    local = [os.path.dirname(r.path) for r in records if r.span is None and "://" not in r.path]
    root = str(getattr(reader, "root", "") or "")
    if local and not (root and all(Path(path).is_relative_to(root) for path in local)):
        root = os.path.commonpath(local)

    def place(record: Record) -> str:
        if record.span is not None or "://" in record.path:
            return record.video_id
        is_pattern = "%" in os.path.basename(record.path) and not os.path.lexists(record.path)
        path = os.path.dirname(record.path) if is_pattern else record.path
        return Path(os.path.relpath(path, root)).as_posix() + (".frames" if is_pattern else "")

    places = {(record.path, record.span): place(record) for record in records}
    results = named(list(places.values()))
    return {key: results[name] for key, name in places.items()}


def named(videos: Sequence[str]) -> dict[str, str]:
    """Name of each result: another suffix; beside the old one where two would be the same."""
    plain = {video: str(Path(video).with_suffix(".mp4").as_posix()) for video in videos}
    times = Counter(plain.values())
    return {v: name if times[name] == 1 else f"{v}.mp4" for v, name in plain.items()}


def transcode_all(
    jobs: Sequence[Job], journal: Journal, workers: int | None
) -> tuple[dict[str, dict[str, Any]], int]:
    """Results by name, those of earlier attempts too, and the number of bad videos."""
    rows = {str(row.get("name")): row for row in journal.rows()}
    done, todo, source = {}, [], {}
    for job in jobs:
        source[job.name] = identity(job.path)
        row = rows.get(job.name)
        if row is not None and row.get("source") == source[job.name] and job.target.is_file():
            done[job.name] = row
        else:
            todo.append(job)
    bad = BadVideos(journal.path.parent)
    results: Any = parallel(make, todo, workers, "prepare")
    with closing(results):
        for job, result in results:
            if isinstance(result, VideoError):
                bad.add(job.name, result)
                continue
            row = {"name": job.name, "source": source[job.name], **result}
            journal.add(row)
            done[job.name] = row
    bad.check(len(jobs))
    return done, bad.count


def identity(path: str) -> list[int]:
    """Size and time of change of a source."""
    try:
        status = os.stat(path if os.path.lexists(path) else os.path.dirname(path))
    except OSError:
        return [0, 0]
    return [status.st_size, status.st_mtime_ns]


def make(job: Job) -> dict[str, Any] | VideoError:
    """Transcodes one video; returns what is noted of the result, or why there is none."""
    from stfw.sampling.crops import resized_size
    from stfw.video.probe import probe
    from stfw.video.transcode import transcode

    try:
        index = probe(job.path, job.span)
        info = index.info
        short_side = min(job.short_side, info.height, info.width)
        height, width = resized_size(info.height, info.width, short_side)
        size = max(2, height // 2 * 2), max(2, width // 2 * 2)
        job.target.parent.mkdir(parents=True, exist_ok=True)
        num_frames = transcode(index, job.target, size, job.gop, job.crf, job.fps)
        if probe(str(job.target)).info.num_frames != num_frames:
            job.target.unlink()
            raise VideoError(job.path, "decode", f"its {num_frames} frames cannot be read back")
    except VideoError as error:
        job.target.unlink(missing_ok=True)  # of a source that was readable once
        return VideoError(error.path, error.kind, error.reason)
    return {"num_frames": num_frames, "sha256": sha256(job.target)}


def list_records(reader: Any, names: Names, done: dict[str, Any], folder: Path) -> Path:
    """Writes ``table.csv``: the records of the data set with their new files."""
    from stfw.commands.data._tables import rows_of, write_table
    from stfw.data.table_rows import COLUMNS

    def path_of(record: Record) -> str | None:
        name = names[record.path, record.span]
        return name if name in done else None

    table = folder / "table.csv"
    write_table(table, COLUMNS, rows_of(reader, path_of))
    return table


def copy_groups(
    groups: str, source: Path, folder: Path, names: Names, done: dict[str, Any]
) -> None:
    """Writes the groups of a folder's videos under their new names.

    Raises:
        UserError: a mistake in the table, or a video that is not in the folder.
    """
    from stfw.commands.data._tables import write_table
    from stfw.data.table_rows import read_rows

    root, rows = Path(os.path.abspath(os.path.expanduser(source))), []
    for where, values in read_rows(groups, "--groups", ("path", "group")):
        key = (os.path.abspath(root / values["path"]), None)
        if key not in names:
            raise UserError(f"{where}: {values['path']} is not among the videos of {source}")
        if names[key] in done:
            rows.append({"path": names[key], "group": values["group"]})
    write_table(folder / GROUPS, ("path", "group"), rows)
