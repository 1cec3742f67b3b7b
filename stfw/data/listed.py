"""Official lists of videos against the files that are there; shared by readers of such lists."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path

from stfw.data.files import logger
from stfw.data.splits import complete_splits
from stfw.types import Record, Split, UserError

WORDS: dict[Split, str] = {"train": "training", "val": "validation", "test": "test"}


class Listed:
    """The splits of official lists, complete, less what is missing where that is allowed.

    Args:
        name: of the lists, for messages: ``UCF101 split 1``.
        root: the folder that the listed paths start at.
        listed: the lists; at least ``train``. A validation split that they lack is cut from the
            training list in whole groups, the same on every machine.
        val_fraction: of the training list, for that cut; 0 validates on the test list.
        allow_missing: go on with the videos that are there. Where they leave nothing to train or
            to validate on, all training videos train, the test videos validate, and a warning says
            so.

    Raises:
        UserError: the lists contradict themselves.
    """

    def __init__(
        self,
        name: str,
        root: Path,
        listed: Mapping[Split, Sequence[Record]],
        val_fraction: float = 0.0,
        allow_missing: bool = False,
    ) -> None:
        self.name, self.root, self.allow_missing = name, root, allow_missing
        self.listed = {split: list(records) for split, records in listed.items() if records}
        self.official = complete_splits(self.listed, val_fraction, test_fraction=0.0, seed=0)

    def records(self, split: Split) -> list[Record]:
        """The videos of a split, sorted by ``video_id``.

        Raises:
            UserError: videos are missing and ``allow_missing`` is not set, or none is there.
        """
        if self.allow_missing:
            records = self._present_splits[split]
            if not records:
                self._check(self._origin(split), least=1)
            return list(records)
        self._check(self._origin(split))
        return list(self.official[split])

    def _origin(self, split: Split) -> Split:
        """The list that a split comes from."""
        for name in self.listed:
            if split == name or self.official[split] is self.official[name]:
                return name
        return "train"

    @cached_property
    def _present(self) -> set[str]:
        """Paths of the videos that are there."""
        everything = [record for records in self.listed.values() for record in records]
        return existing({place(record.path) for record in everything})

    def _there(self, records: Iterable[Record]) -> list[Record]:
        return [record for record in records if place(record.path) in self._present]

    @cached_property
    def _present_splits(self) -> dict[Split, list[Record]]:
        """The official splits, less what is missing."""
        splits = {split: self._there(records) for split, records in self.official.items()}
        if any(len(self._there(records)) < len(records) for records in self.listed.values()):
            logger.warning("%s: going on with %s videos", self.name, self._counts(" and "))
        if not splits["train"] or not splits["val"]:
            other: Split = "test" if splits["test"] else "val"
            logger.warning(
                "%s: too few for a validation split; the %s videos validate",
                *(self.name, WORDS[other]),
            )
            train = self._there(self.listed["train"])
            splits["train"], splits["val"] = (
                sorted(train, key=lambda record: record.video_id),
                splits[other],
            )
        if not splits["test"]:
            splits["test"] = splits["val"]
        return splits

    def _counts(self, joint: str, unit: str = "") -> str:
        return joint.join(
            f"{len(self._there(records))} of {len(records)} {WORDS[split]}{unit}"
            for split, records in self.listed.items()
        )

    def _check(self, split: Split, least: int | None = None) -> None:
        """Raises unless ``least`` videos of a list are there; None: all of them."""
        listed, there = self.listed[split], self._there(self.listed[split])
        if len(there) >= (least or len(listed)):
            return
        if there:
            first = next(r.video_id for r in listed if place(r.path) not in self._present)
            raise UserError(
                f"{self.name}: {self._counts(' and ', ' videos')} are present under {self.root}; "
                f"add the others (first missing: {first}), or set data.allow_missing=true to go "
                "on with those"
            )
        raise UserError(
            f"{self.name}: 0 of {len(listed)} {WORDS[split]} videos are present under {self.root}; "
            f"{self._way_out(listed)}"
        )

    def _way_out(self, listed: Sequence[Record]) -> str:
        first = os.path.relpath(place(listed[0].path), self.root)
        if self._present:
            return f"add some (first: {first}), or choose other lists"
        tops = {Path(os.path.relpath(place(r.path), self.root)).parts[0] for r in listed}
        for folder in sorted(self.root.iterdir()):
            if folder.is_dir() and any((folder / top).exists() for top in tops):
                return f"did you mean data.root={folder}?"
        return f"give data.root=<folder that holds {first}>"


def place(path: str) -> str:
    """What must exist for a record: its file, or the folder of its pictures."""
    if "%0" not in path:
        return path
    from stfw.video.images import is_pattern

    return os.path.dirname(path) if is_pattern(path) else path


def existing(paths: set[str]) -> set[str]:
    """Those that exist; one listing per folder spares a look per file."""
    by_folder: dict[str, list[str]] = {}
    for path in paths:
        by_folder.setdefault(os.path.dirname(path), []).append(path)
    found: set[str] = set()
    for folder, members in by_folder.items():
        try:
            names = set(os.listdir(folder))
        except OSError:
            continue
        found.update(path for path in members if os.path.basename(path) in names)
    return found


def find_lists(
    root: Path, splits_dir: str | None, needed: Sequence[str], beside: Sequence[str]
) -> Path:
    """The folder that holds all the named list files.

    Args:
        root: the folder of the videos; looked at first.
        splits_dir: the folder that the person names; then no other is looked at.
        needed: file names.
        beside: names of folders in ``root`` and beside it.

    Raises:
        UserError: they are not together in any of them.
    """
    from stfw.data.files import existing_folder

    if splits_dir is not None:
        places = [existing_folder(splits_dir, "data.splits_dir")]
    else:
        places = [root, *(root / name for name in beside), *(root.parent / name for name in beside)]
    for folder in places:
        if all((folder / name).is_file() for name in needed):
            return folder
    shown = [*needed[:3], "..."] if len(needed) > 3 else list(needed)
    raise UserError(
        f"{', '.join(shown)} are not together in {' or '.join(map(str, places))}; give "
        "data.splits_dir=<folder of the official lists>"
    )


def read_text(file: Path) -> str:
    """A text file.

    Raises:
        UserError: not there, or not UTF-8.
    """
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file} cannot be read as UTF-8 text: {error}") from error


def read_lines(file: Path) -> list[tuple[str, str]]:
    """(``file:line``, text) of the lines that are not blank."""
    lines = enumerate(read_text(file).split("\n"), start=1)
    return [(f"{file}:{number}", line.strip()) for number, line in lines if line.strip()]


def read_csv(
    file: Path, needed: Sequence[str], delimiter: str = ","
) -> list[tuple[str, dict[str, str]]]:
    """(``file:line``, column -> text) of a table with a header.

    Raises:
        UserError: a needed column is missing.
    """
    reader = csv.DictReader(io.StringIO(read_text(file)), delimiter=delimiter)
    missing = [name for name in needed if name not in (reader.fieldnames or ())]
    if missing:
        raise UserError(
            f"{file}: there is no column '{missing[0]}' among {', '.join(reader.fieldnames or ())}"
        )
    return [
        (
            f"{file}:{reader.line_num}",
            {key: (value or "").strip() for key, value in row.items() if key},
        )
        for row in reader
    ]


def unique(where: str, video_id: str, first: dict[str, str]) -> None:
    """Notes a listed video.

    Raises:
        UserError: it stands in this list, or in another one, already.
    """
    if first.setdefault(video_id, where) != where:
        raise UserError(f"{where}: {video_id} already stands at {first[video_id]}; drop one")
