"""Dividing videos into train, val and test, the same on every machine, never through a group."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from stfw.types import Record, Split, UserError

SPLITS: tuple[Split, ...] = ("train", "val", "test")
VIDEO_SUFFIXES = frozenset(
    [".mp4", ".avi", ".mkv", ".mov", ".webm", ".mpg", ".mpeg", ".m4v", ".ts", ".flv", ".wmv"]
    + [".3gp"]
)
Divided = dict[Split, list[Record]]


def split_records(
    records: Sequence[Record], val_fraction: float, test_fraction: float, seed: int
) -> Divided:
    """Divides records, class by class where there are no groups, by whole groups where there are.

    Groups go, largest first, to the split that lacks most of the classes they hold. The order
    is drawn from names and seed alone, so neither the file system nor the machine matters.

    Args:
        records: all videos.
        val_fraction: share of the videos to validate on.
        test_fraction: share of the videos to test on.
        seed: another seed divides otherwise.

    Raises:
        UserError: fractions out of range, or a split that would be empty.
    """
    for name, share in (("val_fraction", val_fraction), ("test_fraction", test_fraction)):
        if not 0 <= share < 1:
            raise UserError(f"data.{name}={share} is no share of the videos; give 0 to 1")
    if val_fraction + test_fraction >= 1:
        raise UserError(
            f"data.val_fraction={val_fraction} and data.test_fraction={test_fraction} leave "
            "nothing to train on"
        )
    shares = {"train": 1 - val_fraction - test_fraction, "val": val_fraction, "test": test_fraction}
    totals = Counter(record.label for record in records)
    lacking = {
        split: {label: count * share for label, count in totals.items()}
        for split, share in shares.items()
    }
    units: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        units["g" + record.group if record.group is not None else "v" + record.video_id].append(
            record
        )
    order = sorted(units, key=lambda name: (-len(units[name]), _draw(f"{seed}/{name}")))
    divided: dict[str, list[Record]] = {split: [] for split in SPLITS}
    for name in order:
        held = Counter(record.label for record in units[name])

        def gain(split: str, held: Counter[int] = held) -> tuple[float, float]:
            left = lacking[split]
            return (
                sum(count * left[label] for label, count in held.items())
                / max(1e-9, sum(totals[label] * shares[split] for label in held)),
                shares[split],
            )

        chosen = max((split for split in SPLITS if shares[split] > 0), key=gain)
        divided[chosen] += units[name]
        for label, count in held.items():
            lacking[chosen][label] -= count
    result: Divided = {split: _in_order(divided[split]) for split in SPLITS}
    check_no_group_leak(result)
    return result


def check_no_group_leak(by_split: Mapping[Split, Sequence[Record]]) -> None:
    """Refuses a division that puts one group on two sides.

    Raises:
        UserError: names the group and a video on either side.
    """
    seen: dict[str, tuple[Split, Record]] = {}
    for split, records in by_split.items():
        for record in records:
            if record.group is None:
                continue
            other, first = seen.setdefault(record.group, (split, record))
            if other != split:
                raise UserError(
                    f"group {record.group} stands in {other} ({first.video_id}) and in {split} "
                    f"({record.video_id}); a group must be on one side only"
                )


def list_videos(folder: Path) -> list[Path]:
    """All videos below a folder, in order of name; a folder reached twice is read once."""
    found, seen = [], set()
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        real = here.resolve()
        if real in seen:
            continue
        seen.add(real)
        for path in here.iterdir():
            if path.is_dir():
                waiting.append(path)
            elif path.suffix.lower() in VIDEO_SUFFIXES:
                found.append(path)
    return sorted(found)


def hold_out_groups(
    records: Sequence[Record], fraction: float, seed: int
) -> tuple[list[Record], list[Record]]:
    """(kept, held out): about ``fraction`` of every class, by whole groups."""
    divided = split_records(records, fraction, 0.0, seed)
    return divided["train"], divided["val"]


def _in_order(records: Iterable[Record]) -> list[Record]:
    return sorted(records, key=lambda record: record.video_id)


def _draw(text: str) -> str:
    """A number that looks random and is the same everywhere."""
    return hashlib.sha256(text.encode()).hexdigest()
