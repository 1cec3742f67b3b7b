"""``stfw data flow OUT -- data=...``: optical flow of a data set, extracted ahead of training."""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stfw.commands.data._sources import (
    add_workers,
    distinct_videos,
    open_reader,
    output_folder,
    parallel,
    split_words,
)
from stfw.commands.data._store import BadVideos, free_of_parts, keep_settings, write_checksums
from stfw.types import Record, UserError, VideoError

CHUNK = 64  # frames in memory at a time


@dataclass(frozen=True)
class Job:
    """One video to extract."""

    record: Record
    target: Path
    method: str
    weights: str | None
    bound: float
    short_side: int | None


def main(words: Sequence[str]) -> None:
    own, overrides = split_words(words)
    arguments = parser().parse_args(own)
    _, reader = open_reader(overrides)
    folder = output_folder(arguments.out)
    from stfw.video.flow import Flow
    from stfw.video.flow_store import VERSION, FlowStore

    Flow(arguments.method, arguments.weights)  # its mistakes are told before any work
    short_side = arguments.short_side or None
    keep_settings(
        folder / "flow.json",
        {
            "version": VERSION,
            "method": arguments.method,
            "bound": arguments.bound,
            "short_side": short_side,
        },
    )
    free_of_parts(folder)
    store, videos = FlowStore(str(folder)), distinct_videos(reader)
    jobs = [
        Job(
            record,
            store.path(record.video_id),
            arguments.method,
            arguments.weights,
            arguments.bound,
            short_side,
        )
        for record in videos
        if not store.path(record.video_id).is_file()
    ]
    bad, num_bytes, most = BadVideos(folder), _size(folder), arguments.max_gb * 1e9
    for job, result in parallel(extract, jobs, arguments.workers, "flow"):
        if isinstance(result, VideoError):
            bad.add(job.record.video_id, result)
            continue
        num_bytes += result
        if num_bytes > most:
            raise UserError(
                f"{arguments.out} holds {num_bytes / 1e9:.2f} GB, more than --max-gb "
                f"{arguments.max_gb:g}; what is done stays, a larger limit goes on from here"
            )
    bad.check(len(videos))
    write_checksums(folder, "*.mkv")
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
    made.add_argument("--max-gb", type=float, default=1e6, help="stop before the store is larger")
    add_workers(made)
    return made


def extract(job: Job) -> int | VideoError:
    """Writes the flow of one video. Returns the bytes written, or why it cannot be read."""
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
        writer = FlowWriter(job.target, info.fps)
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
    return job.target.stat().st_size


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*.mkv"))
