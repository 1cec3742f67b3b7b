"""UCF101 (Soomro et al. 2012) in its official layout and three official splits."""

from __future__ import annotations

import logging
import re
from functools import cached_property
from pathlib import Path

from stfw.data.folder import check_folder
from stfw.data.splits import hold_out_groups
from stfw.types import Record, Split, UserError, nearest

_SPLITS_FOLDERS = ("", "ucfTrainTestlist", "../ucfTrainTestlist", "../ucf101_splits")
_NAME = re.compile(r"v_(?P<cls>\w+?)_g(?P<group>\d+)_c\d+\.avi")


class UCF101:
    """``<root>/<Class>/v_<Class>_gXX_cYY.avi`` with ``classInd.txt`` and ``trainlist01.txt`` ...

    The official splits have no validation part: whole groups (``gXX``: clips cut from one video)
    of the training list are held out for it. Class order is that of ``classInd.txt``.

    Args:
        root: folder of the class folders.
        split: official split, 1, 2 or 3.
        splits_dir: folder of the split files; None: ``root`` and its usual neighbours.
        val_fraction: share of the training videos held out to validate on; 0 validates on test.
        allow_missing: go on with the videos that are there.

    Raises:
        UserError: missing folder, split files or videos; a line that names no class.
    """

    def __init__(
        self,
        root: str,
        split: int = 1,
        splits_dir: str | None = None,
        val_fraction: float = 0.1,
        allow_missing: bool = False,
    ) -> None:
        if split not in (1, 2, 3):
            raise UserError(f"data.split={split}: UCF101 has the splits 1, 2 and 3")
        self.root, self.split = check_folder(root, "data.root"), split
        self.splits_dir = self._find_splits(splits_dir)
        self.val_fraction, self.allow_missing = val_fraction, allow_missing

    @cached_property
    def classes(self) -> list[str]:
        """101 names in the official order."""
        path = self.splits_dir / "classInd.txt"
        names = []
        for number, line in enumerate(_lines(path), start=1):
            index, _, name = line.partition(" ")
            if index != str(number) or not name:
                raise UserError(f"{path}:{number}: '{line}' is not '{number} <class>'")
            names.append(name)
        return names

    def records(self, split: Split) -> list[Record]:
        return self._divided[split]

    @classmethod
    def write_toy(cls, root: Path) -> UCF101:
        """Two classes with two training groups and one test video each, and their split files."""
        import numpy as np

        from stfw.video.writer import write_video

        splits = root / "ucfTrainTestlist"
        splits.mkdir(parents=True, exist_ok=True)
        names = ("Archery", "Biking")
        lists: dict[str, list[str]] = {"train": [], "test": []}
        for label, name in enumerate(names, start=1):
            (root / name).mkdir(exist_ok=True)
            for group, part in ((8, "train"), (9, "train"), (1, "test")):
                file = f"{name}/v_{name}_g{group:02d}_c01.avi"
                frames_THWC = np.full((8, 32, 32, 3), 40 * label + group, np.uint8)
                write_video(root / file, frames_THWC, 25, codec="mpeg4")
                lists[part].append(f"{file} {label}" if part == "train" else file)
        (splits / "classInd.txt").write_text(
            "".join(f"{label} {name}\n" for label, name in enumerate(names, start=1))
        )
        for part, lines in lists.items():
            (splits / f"{part}list01.txt").write_text("\n".join(lines) + "\n")
        return cls(str(root), val_fraction=0.5)

    @cached_property
    def _divided(self) -> dict[Split, list[Record]]:
        lists = {part: self._read(part) for part in ("train", "test")}
        there = {
            part: [record for record in records if Path(record.path).is_file()]
            for part, records in lists.items()
        }
        self._check_whole(lists, there)
        train, test = there["train"], there["test"]
        if self.val_fraction == 0:
            return {"train": train, "val": test, "test": test}
        kept, held = hold_out_groups(train, self.val_fraction, seed=0) if train else ([], [])
        if not kept or not held:
            logging.getLogger("stfw").warning(
                "too few training videos to hold some out: validating on the %d test videos",
                len(test),
            )
            kept, held = train, test or train
        return {"train": kept, "val": held, "test": test or held}

    def _read(self, part: str) -> list[Record]:
        """The videos of an official list."""
        path = self.splits_dir / f"{part}list{self.split:02d}.txt"
        labels = {name: label for label, name in enumerate(self.classes)}
        records: dict[str, Record] = {}
        for number, line in enumerate(_lines(path), start=1):
            name, _, index = line.partition(" ")
            match = _NAME.fullmatch(name.rpartition("/")[2])
            folder = name.partition("/")[0]
            if match is None or folder not in labels:
                raise UserError(
                    f"{path}:{number}: '{line}' names no class of classInd.txt"
                    f"{nearest(folder, labels)}"
                )
            if index and index != str(labels[folder] + 1):
                raise UserError(
                    f"{path}:{number}: class number {index} is not that of {folder}, which is "
                    f"{labels[folder] + 1}"
                )
            if name in records:
                raise UserError(f"{path}:{number}: {name} stands there twice")
            group = f"{folder}_g{match['group']}"
            video = self.root / name
            records[name] = Record(name, str(video.absolute()), labels[folder], group=group)
        return sorted(records.values(), key=lambda record: record.video_id)

    def _check_whole(self, lists: dict[str, list[Record]], there: dict[str, list[Record]]) -> None:
        found, listed = (sum(map(len, parts.values())) for parts in (there, lists))
        if found == listed or (found and self.allow_missing):
            return
        raise UserError(
            f"{found} of the {listed} videos of UCF101 split {self.split} are in {self.root} "
            f"({len(there['train'])} of {len(lists['train'])} to train on, {len(there['test'])} of "
            f"{len(lists['test'])} to test on); add the others"
            + (", or go on with these: data.allow_missing=true" if found else "")
        )

    def _find_splits(self, splits_dir: str | None) -> Path:
        if splits_dir is not None:
            folders = [check_folder(splits_dir, "data.splits_dir")]
        else:
            folders = [self.root / name for name in _SPLITS_FOLDERS]
        for folder in folders:
            if (folder / "classInd.txt").is_file():
                return folder
        raise UserError(
            f"data.root={self.root}: the split files (classInd.txt, trainlist01.txt, ...) are not "
            "beside the videos; name their folder: data.splits_dir=..."
        )


def _lines(path: Path) -> list[str]:
    if not path.is_file():
        raise UserError(f"{path}: there is no such split file")
    return [line.strip() for line in path.read_text().splitlines() if line.strip()]
