"""``stfw data scan``: looks into every video of a folder or data set, and says what is unusual."""

from __future__ import annotations

import argparse
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stfw.commands.data._journal import Journal
from stfw.commands.data._sources import (
    add_workers,
    open_reader,
    parallel,
    records_by_split,
    split_words,
    write_whole,
)
from stfw.types import Record, UserError, VideoError

if TYPE_CHECKING:
    from stfw.data.survey import Finding, Seen

Key = tuple[str, "tuple[int, int] | None"]  # path, span
NUM_SHOWN = 3  # offenders of each kind in the terminal
VERSION = 1  # of the rows of scan.jsonl; others are passed over


@dataclass(frozen=True)
class Job:
    """What to find out of a file.

    Attributes:
        path: of the file.
        span: of the video within it.
        looks: whether to open it.
        decodes: whether to decode all of it.
        hashes: whether to read all of it.
    """

    path: str
    span: tuple[int, int] | None = None
    looks: bool = False
    decodes: bool = False
    hashes: bool = False


def main(words: Sequence[str]) -> None:
    own, overrides = split_words(words)
    arguments = parser().parse_args(own)
    out = Path(arguments.out).expanduser().absolute()
    if out.suffix != ".html":
        raise UserError(f"--out {arguments.out}: a page is written; give a name that ends in .html")
    if not out.parent.is_dir():
        raise UserError(f"--out {arguments.out}: there is no folder {out.parent}")
    if bool(arguments.paths) == bool(overrides):
        raise UserError("give a folder, or a data set: stfw data scan -- data=ucf101 data.root=...")
    places = of_data_set(overrides) if overrides else {key: ([], []) for key in of(arguments.paths)}
    if not places:
        raise UserError(f"{' '.join(arguments.paths)}: there are no videos")
    known = look(list(places), Journal(out.with_suffix(".jsonl")), arguments)
    from stfw.data.survey import Seen, counts, findings
    from stfw.reports.survey_page import survey_page

    files = []
    for key, (splits, labels) in places.items():
        fields = {k: v for k, v in known[key].items() if k in Seen.__dataclass_fields__}
        fields |= {"splits": tuple(splits), "labels": tuple(labels)}
        files.append(Seen(**fields))
    shown = shortener([file.path for file in files])
    found, totals = findings(files, shown), counts(files)
    name = " ".join(overrides or arguments.paths)
    write_whole(out, survey_page(name, files, totals, found))
    if arguments.json:
        write_whole(Path(arguments.json).expanduser().absolute(), as_json(files, totals, found))
    tell(totals, found)
    print(f"report: {arguments.out}")


def parser() -> argparse.ArgumentParser:
    """The tool's arguments."""
    made = argparse.ArgumentParser(
        prog="stfw data scan",
        description="Look into every video of a folder, or of a data set named by overrides.",
        epilog="example: stfw data scan -- data=ucf101 data.root=UCF-101",
    )
    made.add_argument("paths", nargs="*", metavar="folder or file")
    made.add_argument("--decode", action="store_true", help="decode every frame (slow)")
    made.add_argument(
        "--hash",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="find equal files by SHA-256 (default; only files of equal size are read)",
    )
    made.add_argument("--out", default="scan.html", help="the report (default scan.html)")
    made.add_argument("--json", metavar="FILE", help="write all of it as JSON as well")
    add_workers(made)
    return made


def of(paths: Iterable[str]) -> list[Key]:
    """The videos of folders, and files, sorted.

    Raises:
        UserError: there is no such file or folder.
    """
    from stfw.data.files import find_videos

    found: dict[Key, None] = {}
    for text in paths:
        path = Path(os.path.abspath(os.path.expanduser(text)))
        if path.is_dir():
            found |= dict.fromkeys((str(path / name), None) for name in find_videos(path))
        elif path.exists():
            found[str(path), None] = None
        else:
            raise UserError(f"{text}: there is no such file or folder")
    return sorted(found)


def of_data_set(overrides: Sequence[str]) -> dict[Key, tuple[list[str], list[str]]]:
    """The files of a data set, with the splits and class names of each; missing ones too."""
    cfg, reader = open_reader(overrides)
    if cfg.data.get("allow_missing") is False:  # what is missing is listed here
        cfg, reader = open_reader([*overrides, "data.allow_missing=true"])
    by_split: list[tuple[str, list[Record]]] = [*records_by_split(reader).items()]
    lists = getattr(reader, "lists", None)  # of readers of official lists
    if lists is not None:
        there = {record.video_id for _, records in by_split for record in records}
        by_split += [
            (split, [record for record in records if record.video_id not in there])
            for split, records in lists.official.items()
        ]
    classes = reader.classes
    found: dict[Key, tuple[list[str], list[str]]] = {}
    for split, records in by_split:
        for record in records:
            splits, labels = found.setdefault((record.path, record.span), ([], []))
            if split not in splits:
                splits.append(split)
            labels += [classes[k] for k in record.labels if classes[k] not in labels]
    return {key: found[key] for key in sorted(found, key=str)}


def look(
    keys: Sequence[Key], journal: Journal, arguments: argparse.Namespace
) -> dict[Key, dict[str, Any]]:
    """What is known of each file, from the journal where it has not changed since."""
    identities = {key: identity(key[0]) for key in keys}
    known: dict[Key, dict[str, Any]] = {key: {"path": key[0]} for key in keys}
    for row in journal.rows():
        span = row.get("span")
        key = (str(row.get("path")), tuple(span) if span else None)
        if key in known and row.get("identity") == identities[key]:
            known[key] |= row
    for key, what in identities.items():
        if what is None:
            known[key] |= {"kind": "missing", "reason": "there is no such file"}

    def learn(jobs: list[Job], title: str) -> None:
        results: Any = parallel(examine, jobs, arguments.workers, title)
        with closing(results):
            for job, facts in results:
                key = (job.path, job.span)
                row = {"path": job.path, "span": job.span, "identity": identities[key], **facts}
                journal.add(row)
                known[key] |= row

    def job_of(key: Key) -> Job | None:
        facts = known[key]
        looks = "codec" not in facts and "kind" not in facts
        decodes = arguments.decode and "num_decoded" not in facts and "kind" not in facts
        return Job(*key, looks=looks, decodes=decodes) if looks or decodes else None

    learn([job for job in map(job_of, keys) if job is not None], "scan")
    if arguments.hash:
        times = Counter(facts.get("size") for facts in known.values())
        learn(
            [
                Job(*key, hashes=True)
                for key, facts in known.items()
                if facts.get("size") and times[facts["size"]] > 1 and "sha256" not in facts
            ],
            "hash",
        )
    return known


def identity(path: str) -> list[int] | None:
    """Changes when the file does: version of the rows, size, time of change. None: not there."""
    if "://" in path:
        return [VERSION, 0, 0]
    try:
        status = os.stat(place(path))
    except (OSError, ValueError):
        return None
    return [VERSION, status.st_size, status.st_mtime_ns]


def place(path: str) -> str:
    """The file, or the folder of pictures that a pattern names."""
    is_pattern = "%" in os.path.basename(path) and not os.path.lexists(path)
    return os.path.dirname(path) if is_pattern else path


def examine(job: Job) -> dict[str, Any]:
    """What is found out of one file."""
    facts: dict[str, Any] = {}
    with_file = job.span is None and os.path.isfile(job.path)
    size = os.path.getsize(job.path) if with_file else job.span[1] if job.span else None
    facts["size"] = size
    try:
        if job.looks or job.decodes:
            from stfw.video.details import decode_all, details
            from stfw.video.probe import probe

            index = probe(job.path, job.span)
            info = index.info
            facts |= details(job.path, job.span)
            facts |= {
                "num_frames": info.num_frames,
                "fps": info.fps,
                "height": info.height,
                "width": info.width,
                "duration_sec": info.duration_sec,
                "is_variable": info.times_F is not None,
            }
            if job.decodes:
                facts["num_decoded"], facts["num_corrupt"] = decode_all(index)
    except VideoError as error:
        facts |= {"kind": error.kind, "reason": error.reason}
    if job.hashes:
        facts["sha256"] = digest(job.path, job.span)
    return facts


def digest(path: str, span: tuple[int, int] | None) -> str:
    """SHA-256 of a video's bytes."""
    from stfw.commands.data._store import sha256

    if span is None:
        return sha256(Path(path))
    import hashlib

    from stfw.video.blob import read_blob

    return hashlib.sha256(read_blob(path, span)).hexdigest()


def shortener(paths: Sequence[str]) -> Callable[[str], str]:
    """Writes paths relative to the folder that all of them share."""
    local = [os.path.dirname(path) for path in paths if os.path.isabs(path)]
    root = os.path.commonpath(local) if len(local) == len(paths) else ""
    return lambda path: os.path.relpath(path, root) if root else path


def as_json(files: Sequence[Seen], totals: dict[str, Any], found: Sequence[Finding]) -> str:
    """Everything, for other programs."""
    from dataclasses import asdict

    rows = {f.name: [dict(zip(f.head, row, strict=True)) for row in f.rows] for f in found}
    content = {"counts": totals, "findings": rows, "files": [asdict(file) for file in files]}
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def tell(totals: dict[str, Any], found: Sequence[Finding]) -> None:
    """Prints totals, and the first offenders of each kind."""
    from stfw.reports.html import seconds

    print(
        f"{totals['num_readable']} of {totals['num_videos']} videos can be read: "
        f"{totals['num_frames']} frames, {seconds(totals['duration_sec'])}, "
        f"{totals['num_bytes'] / 1e6:.1f} MB, {totals['num_with_audio']} with sound"
    )
    for name in ("containers", "codecs", "sizes", "rates"):
        tally = list(totals[name].items())
        more = f", and {len(tally) - 5} more" if len(tally) > 5 else ""
        print(f"{name}: {', '.join(f'{what} ({n})' for what, n in tally[:5])}{more}")
    for finding in found:
        if finding.rows:
            print(f"{finding.name}: {len(finding.rows)}")
            for row in finding.rows[:NUM_SHOWN]:
                print("  " + "  ".join(map(str, row)))
            if len(finding.rows) > NUM_SHOWN:
                print(f"  and {len(finding.rows) - NUM_SHOWN} more")
