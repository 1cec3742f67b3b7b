"""``stfw data browse``: a page of what the model will see, beside where it was taken from."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stfw.commands.data._sources import split_words, write_whole
from stfw.types import UserError, VideoError, nearest

if TYPE_CHECKING:
    from stfw.data.batches import Item
    from stfw.data.dataset import VideoDataset
    from stfw.reports.sheet import Clip, Row, Seen

SPLITS = ("train", "val", "test")
MAX_CLIPS, MAX_FRAMES, MAX_VIEWS = 4, 8, 4  # shown: of a view, of a clip, of a video
HEIGHT = 128  # pixels of a source frame on the page


def main(words: Sequence[str]) -> None:
    own, overrides = split_words(words)
    arguments = parser().parse_args(own)
    if arguments.num < 1:
        raise UserError(f"--num {arguments.num} is below 1")
    if arguments.split not in SPLITS:
        hint = nearest(arguments.split, SPLITS) or f"; there are: {', '.join(SPLITS)}"
        raise UserError(f"--split {arguments.split}: not known{hint}")
    out = Path(arguments.out).expanduser().absolute()
    if not out.parent.is_dir():
        raise UserError(f"--out {arguments.out}: there is no folder {out.parent}")
    from stfw.assemble import assemble_data, check
    from stfw.build import Build
    from stfw.config import compose
    from stfw.reports.sheet import sheet_page

    cfg = compose("train", overrides).cfg
    check(cfg)
    data = assemble_data(cfg, Build())
    dataset: VideoDataset = data.dataset(arguments.split)
    rows = [row(dataset, item, data.reader.classes) for item in items(dataset, arguments)]
    named = " ".join(overrides) or "the defaults"
    write_whole(out, sheet_page(named, arguments.split, len(dataset), rows))
    print(f"{len(rows)} of {len(dataset)} {arguments.split} videos: {arguments.out}")


def parser() -> argparse.ArgumentParser:
    """The tool's arguments."""
    made = argparse.ArgumentParser(
        prog="stfw data browse",
        description="Make a page of samples, just as training or evaluation draws them, and of "
        "the source frames with the boxes they were cut from.",
        epilog="example: stfw data browse -- model=c3d data=ucf101 data.root=UCF-101",
    )
    made.add_argument("--out", default="browse.html", help="the page (default browse.html)")
    made.add_argument("--num", type=int, default=12, help="videos (default 12)")
    made.add_argument("--split", default="train", help="train (default), val or test")
    return made


def items(dataset: VideoDataset, arguments: argparse.Namespace) -> list[Item]:
    """The first videos of the first epoch; of evaluation some of all, evenly spread."""
    from stfw.data.batches import TrainBatches

    if arguments.split == "train":
        return next(iter(TrainBatches(len(dataset), arguments.num, dataset.seed)))
    chosen = np.linspace(0, len(dataset) - 1, min(arguments.num, len(dataset)))
    return [(0, int(index), 0) for index in chosen.round()]


def row(dataset: VideoDataset, item: Item, classes: Sequence[str]) -> Row:
    """A video's sample, and where it was taken from."""
    from stfw.reports.sheet import Row
    from stfw.video.probe import probe

    record = dataset.records[item[1]]
    label = ", ".join(classes[k] for k in record.labels)
    try:
        sample: Any = dataset[item]
        if sample["skipped"]:
            raise sample["skipped"][0]
        info = probe(record.path, record.span).info
        clips = shown_clips(dataset, item, sample)
    except VideoError as error:
        return Row(record.video_id, label, error.reason, [])
    part = ""
    if record.start_sec is not None or record.end_sec is not None:
        end = "the end" if record.end_sec is None else f"{record.end_sec:g} s"
        part = f", labelled from {record.start_sec or 0:g} s to {end}"
    about = (
        f"{info.width}x{info.height}, {info.num_frames} frames, {info.fps:.4g} per second, "
        f"{info.duration_sec:.1f} s{part}; drawn in {float(sample['decode_sec']) * 1000:.0f} ms"
    )
    return Row(record.video_id, label, about, clips)


def shown_clips(dataset: VideoDataset, item: Item, sample: Any) -> list[Clip]:
    """Some clips of some views, with the source frames that they were taken from.

    Raises:
        VideoError: the video cannot be read.
    """
    from stfw.commands.data._looks import looks
    from stfw.reports.sheet import Clip
    from stfw.sampling.crops import resized_size
    from stfw.video.decode import decode
    from stfw.video.probe import probe

    record, loading = dataset.records[item[1]], dataset.loading
    index = probe(record.path, record.span)
    info = index.info
    height = resized_size(info.height, info.width, loading.short_side)[0]
    size = HEIGHT, max(1, round(HEIGHT * info.width / info.height))
    found = looks(dataset, item)
    clips = []
    for v in spread(len(found), MAX_VIEWS):
        look = found[v]
        num_clips = len(look.frames_NT)
        for n in spread(num_clips, MAX_CLIPS):
            frames_T = look.frames_NT[n]
            shown = frames_T[spread(len(frames_T), MAX_FRAMES)]
            clips.append(
                Clip(
                    title=f"view {v + 1} of {len(found)}, clip {n + 1} of {num_clips}",
                    numbers=shown.tolist(),
                    source_THWC=decode(index, shown, size),
                    boxes=[box_42 * HEIGHT / height for box_42 in look.boxes[n]],
                    mirrored=look.mirrored,
                    streams=seen(dataset, look.frames_NT, sample, v, n),
                )
            )
    return clips


def seen(
    dataset: VideoDataset, frames_NT: np.ndarray, sample: Any, v: int, n: int
) -> dict[str, Seen]:
    """What each stream shows of a clip."""
    from stfw.reports.sheet import Seen

    found = {}
    for name, stream in dataset.loading.streams.items():
        if not sample["present"][name]:
            found[name] = Seen(None, [])
        elif stream.kind == "audio":
            pieces = sample[name][v]
            if n < len(pieces):  # one piece may serve all clips
                found[name] = Seen(pieces[n, 0].numpy(), [])
        else:
            x_CTHW = sample[name][v, n].numpy()
            numbers_T, chosen = stream.take(frames_NT)[n], spread(x_CTHW.shape[1], MAX_FRAMES)
            found[name] = Seen(x_CTHW[:, chosen].swapaxes(0, 1), numbers_T[chosen].tolist())
    return found


def spread(count: int, most: int) -> list[int]:
    """At most so many of ``0 .. count - 1``, evenly spread, the ends among them."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int)).tolist()
