"""``stfw data flow OUT -- data=...``: optical flow of a data set, extracted ahead of training."""

from __future__ import annotations

import argparse
import itertools
import json
import os
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stfw.commands.data._sources import (
    add_workers,
    distinct_videos,
    open_reader,
    output_folder,
    parallel,
    records_by_split,
    split_words,
    write_whole,
)
from stfw.commands.data._store import BadVideos, free_of_parts, keep_settings, write_checksums
from stfw.types import Record, UserError, VideoError, nearest

CHUNK = 64  # frames in memory at a time


@dataclass(frozen=True)
class Job:
    """One video to extract.

    Attributes:
        record: the video.
        target: its file in the store.
        method: of the flow.
        weights: of RAFT.
        bound: pixels per frame at the ends of the 8-bit range.
        short_side: frames are resized to it first.
        codec: of the file.
    """

    record: Record
    target: Path
    method: str
    weights: str | None
    bound: float
    short_side: int | None
    codec: str

    @property
    def part(self) -> Path:
        """The finished file, until it is known that it fits into the store."""
        return self.target.with_name(self.target.name + ".whole.part")


def main(words: Sequence[str]) -> None:
    own, overrides = split_words(words)
    arguments = parser().parse_args(own)
    _, reader = open_reader(overrides)
    folder = output_folder(arguments.out)
    from stfw.video.flow import Flow
    from stfw.video.flow_store import CODECS, VERSION, FlowStore

    Flow(arguments.method, arguments.weights)  # its mistakes are told before any work
    if arguments.codec not in CODECS:
        hint = nearest(arguments.codec, CODECS) or f"; there are: {', '.join(CODECS)}"
        raise UserError(f"--codec {arguments.codec}: not known{hint}")
    short_side = arguments.short_side or None
    keep_settings(
        folder / "flow.json",
        {
            "version": VERSION,
            "method": arguments.method,
            "bound": arguments.bound,
            "short_side": short_side,
            "codec": arguments.codec,
        },
    )
    free_of_parts(folder)
    share_files(folder, reader)
    store, videos = FlowStore(str(folder)), distinct_videos(reader)
    jobs = [
        Job(
            record,
            store.path(record.video_id),
            arguments.method,
            arguments.weights,
            arguments.bound,
            short_side,
            arguments.codec,
        )
        for record in videos
        if not store.path(record.video_id).is_file()
    ]
    bad, num_bytes, most = BadVideos(folder), _size(folder), arguments.max_gb * 1e9
    is_full = False
    results: Any = parallel(extract, jobs, arguments.workers, "flow")
    with closing(results):  # stops the other processes
        for job, result in results:
            if isinstance(result, VideoError):
                bad.add(job.record.video_id, result)
                continue
            is_full = num_bytes + result > most
            if is_full:
                break
            os.replace(job.part, job.target)
            num_bytes += result
    free_of_parts(folder)  # what was whole, but one too many
    bad.check(len(videos))
    write_checksums(folder, "*.mkv")
    if is_full:
        raise UserError(
            f"{arguments.out} holds {num_bytes / 1e9:.3g} GB, the next video would exceed --max-gb "
            f"{arguments.max_gb:g}; what is done stays, a larger limit goes on from here"
        )
    missing = f", {bad.count} could not be read (bad_videos.jsonl)" if bad.count else ""
    print(
        f"flow of {len(videos) - bad.count} videos, {num_bytes / 1e6:.1f} MB{missing}; train with "
        f"streams=flow streams.flow.source.store={arguments.out}"
    )


def parser() -> argparse.ArgumentParser:
    """The tool's arguments."""
    made = argparse.ArgumentParser(
        prog="stfw data flow",
        description="Extract optical flow into a store.",
        epilog="example: stfw data flow flow_ucf --short-side 128 -- data=ucf101 data.root=UCF-101",
    )
    made.add_argument("out", help="folder of the store")
    made.add_argument("--method", default="dis", help="dis, farneback, tvl1 or raft")
    made.add_argument("--weights", help="of raft: a file, or 'download'")
    made.add_argument(
        "--short-side", type=int, default=0, help="resize to it first; 0: native size (default)"
    )
    made.add_argument("--bound", type=float, default=20.0, help="pixels per frame (default 20)")
    made.add_argument(
        "--codec",
        default="ffv1",
        help="ffv1 (default) loses nothing; mjpeg makes noisy flow (farneback) smaller",
    )
    made.add_argument("--max-gb", type=float, default=1e6, help="stop before the store is larger")
    add_workers(made)
    return made


def share_files(folder: Path, reader: Any) -> None:
    """Writes which videos are parts of one file, and so share its flow.

    Raises:
        UserError: two files go by one video_id.
    """
    from stfw.video.flow_store import VIDEOS, read_shared

    file_of: dict[str, Any] = {}
    ids_of: dict[Any, set[str]] = {}
    for records in records_by_split(reader).values():
        for record in records:
            file = (record.path, record.span)
            if file_of.setdefault(record.video_id, file) != file:
                raise UserError(
                    f"{record.video_id} is the name of two files, {file_of[record.video_id][0]} "
                    f"and {record.path}; a flow store needs names that differ"
                )
            ids_of.setdefault(file, set()).add(record.video_id)
    found = {name: min(ids) for ids in ids_of.values() for name in ids if name != min(ids)}
    if found:
        shared = {**read_shared(folder), **found}
        write_whole(folder / VIDEOS, json.dumps(shared, indent=1, ensure_ascii=False) + "\n")


def extract(job: Job) -> int | VideoError:
    """Writes the flow of one video to its part file. Returns its bytes, or why there are none."""
    import numpy as np

    from stfw.sampling.crops import resized_size
    from stfw.video.decode import decode
    from stfw.video.flow import Flow, quantise
    from stfw.video.flow_store import FlowWriter
    from stfw.video.probe import probe

    compute, writer = Flow(job.method, job.weights), None
    try:
        index = probe(job.record.path, job.record.span)
        info = index.info
        size = resized_size(info.height, info.width, job.short_side)
        writer = FlowWriter(job.part, info.fps, job.codec)
        for begin in range(0, info.num_frames, CHUNK):
            end = min(begin + CHUNK, info.num_frames - 1)
            frames = decode(index, np.arange(begin, max(end, begin) + 1), size)
            for first, second in itertools.pairwise(frames):
                last = quantise(compute(first, second), job.bound)
                writer.write(last)
        if info.num_frames == 1:
            last = np.full((*size, 2), 128, np.uint8)
        writer.write(last)  # at the last frame: the motion that led to it
        writer.close(keep=True)
    except BaseException as error:
        if writer is not None:
            writer.close(keep=False)
        if isinstance(error, VideoError):
            return VideoError(error.path, error.kind, error.reason)
        raise
    return job.part.stat().st_size


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*.mkv"))
