"""UCF101 in its official layout and splits (Soomro, Zamir, Shah 2012, arXiv:1212.0402)."""

from __future__ import annotations

import os
import re
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np

from stfw.data.splits import complete_splits, existing_folder, logger
from stfw.types import Record, Split, UserError, nearest

_List = Literal["train", "test"]
_LISTS: dict[_List, str] = {"train": "training", "test": "test"}


class UCF101:
    """13320 clips of 101 actions: ``root/<Class>/v_<Class>_gXX_cYY.avi``.

    Clips of one group gXX of a class are cut from one video. The official lists keep a group on one
    side; the validation split takes whole groups out of the official training list as well, the
    same ones on every machine.

    Args:
        root: the folder that holds the class folders.
        split: 1, 2 or 3.
        splits_dir: folder of classInd.txt, trainlist0N.txt and testlist0N.txt; None: looked for in
            ``root``, then in ``ucfTrainTestlist`` inside it and beside it, then in
            ``ucf101_splits`` beside it.
        val_fraction: of the training clips, in whole groups; 0 validates on the test clips.
        allow_missing: go on with the clips that are there. Where they leave nothing to train or to
            validate on, all training clips train, the test clips validate, and a warning says so.

    Raises:
        UserError: folders or lists are missing or wrong; clips are missing (when asked for).
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
            raise UserError(f"data.split={split} does not exist in UCF101; give 1, 2 or 3")
        self.root = existing_folder(root, "data.root")
        self.split, self.allow_missing = split, allow_missing
        lists = _find_lists(self.root, splits_dir, split)
        self._classes = _read_classes(lists / "classInd.txt")
        self._listed = {name: self._read_list(lists / f"{name}list0{split}.txt") for name in _LISTS}
        self._official = complete_splits(
            {"train": self._listed["train"], "test": self._listed["test"]},
            val_fraction,
            test_fraction=0.0,
            seed=0,
        )

    @property
    def classes(self) -> list[str]:
        """In the order of classInd.txt."""
        return list(self._classes)

    def records(self, split: Split) -> list[Record]:
        """The clips of a split, sorted by ``video_id``: ``<Class>/<file>``.

        Raises:
            UserError: clips are missing and ``allow_missing`` is not set, or none is there.
        """
        if self.allow_missing:
            records = self._present_splits[split]
            if not records:
                self._check_present("train" if split == "train" else "test", least=1)
            return list(records)
        on_test = split == "test" or self._official[split] is self._official["test"]
        self._check_present("test" if on_test else "train")
        return list(self._official[split])

    @classmethod
    def write_toy(cls, root: Path) -> UCF101:
        """Four tiny MPEG-4 clips of two classes, with their lists, below ``root``."""
        from stfw.data.toy_render import draw_scene, render
        from stfw.video.writer import write_video

        clips = ("YoYo_g08_c01", "WallPushups_g08_c01", "WallPushups_g09_c01", "YoYo_g01_c01")
        names = []
        for number, clip in enumerate(clips):
            action = clip.split("_")[0]
            names.append(f"{action}/v_{clip}.avi")
            (root / action).mkdir(parents=True, exist_ok=True)
            motion = "clockwise" if action == "YoYo" else "up"
            scene = draw_scene(motion, "red", 16, 32, np.random.default_rng(number))
            write_video(root / names[-1], render(scene), fps=25, codec="mpeg4")
        lists = root / "ucfTrainTestlist"
        lists.mkdir(exist_ok=True)
        (lists / "classInd.txt").write_text("1 WallPushups\n2 YoYo\n")
        for split in (1, 2, 3):
            train = f"{names[0]} 2\n{names[1]} 1\n{names[2]} 1\n"
            (lists / f"trainlist0{split}.txt").write_text(train)
            (lists / f"testlist0{split}.txt").write_text(f"{names[3]}\n")
        return cls(str(root))

    @cached_property
    def _present(self) -> set[str]:
        """``<Class>/<file>`` of what is there; one listing per class spares a look per clip."""
        found: set[str] = set()
        for name in self._classes:
            if (self.root / name).is_dir():
                found.update(f"{name}/{file}" for file in os.listdir(self.root / name))
        return found

    @cached_property
    def _present_splits(self) -> dict[Split, list[Record]]:
        """The official splits, less what is missing."""
        splits = {split: self._there(records) for split, records in self._official.items()}
        there = {name: self._there(listed) for name, listed in self._listed.items()}
        if any(len(there[name]) < len(self._listed[name]) for name in _LISTS):
            counts = " and ".join(
                f"{len(there[name])} of {len(self._listed[name])} {word}"
                for name, word in _LISTS.items()
            )
            logger.warning("UCF101 split %d: going on with %s videos", self.split, counts)
        if not splits["train"] or not splits["val"]:
            logger.warning("UCF101: too few for a validation split; the test videos validate")
            splits["train"], splits["val"] = there["train"], splits["test"]
        return splits

    def _there(self, records: list[Record]) -> list[Record]:
        return [record for record in records if record.video_id in self._present]

    def _check_present(self, name: _List, least: int | None = None) -> None:
        """Raises unless ``least`` clips of an official list are there; None: all of them."""
        listed, there = self._listed[name], self._there(self._listed[name])
        if len(there) >= (least or len(listed)):
            return
        what = f"{len(listed)} {_LISTS[name]} videos of split {self.split}"
        if there:
            first = next(r.video_id for r in listed if r.video_id not in self._present)
            both = " and ".join(
                f"{len(self._there(self._listed[part]))} of {len(self._listed[part])} {word} videos"
                for part, word in _LISTS.items()
            )
            raise UserError(
                f"UCF101 split {self.split}: {both} are present under {self.root}; add the others "
                f"(first missing: {first}), or set data.allow_missing=true to go on with those"
            )
        hint = f"give data.root=<folder that holds {self._classes[0]}/ and the other classes>"
        for place in sorted(self.root.iterdir()) if not self._present else []:
            if any((place / action).is_dir() for action in self._classes):
                hint = f"did you mean data.root={place}?"
        if self._present:
            hint = f"add some (first: {listed[0].video_id}), or choose another data.split"
        raise UserError(f"0 of {what} are present under {self.root}; {hint}")

    def _read_list(self, file: Path) -> list[Record]:
        label_of = {name: label for label, name in enumerate(self._classes)}
        first: dict[str, int] = {}
        records = []
        for number, line in _lines(file):
            where, (video, *labels) = f"{file}:{number}", line.split()
            match = re.fullmatch(r"([^/]+)/v_[^/]*_(g\d+)_c\d+\.avi", video)
            if match is None or len(labels) > 1:
                raise UserError(f"{where}: '{line}' is not <Class>/v_<Class>_gXX_cYY.avi [label]")
            action, group = match.groups()
            if action not in label_of:
                hint = nearest(action, label_of) or "; mend the line"
                raise UserError(f"{where}: class '{action}' is not in classInd.txt{hint}")
            label = label_of[action]
            if labels and labels != [str(label + 1)]:
                raise UserError(
                    f"{where}: label {labels[0]} is not that of {action}, {label + 1} in "
                    "classInd.txt; mend one of them"
                )
            if first.setdefault(video, number) != number:
                raise UserError(f"{where}: {video} already stands on line {first[video]}; drop one")
            path = str(self.root / video)
            records.append(Record(video, path, label, group=f"{action}_{group}"))
        if not records:
            raise UserError(f"{file} lists no video; give data.splits_dir=<the official lists>")
        return records


def _find_lists(root: Path, splits_dir: str | None, split: int) -> Path:
    """The folder that holds all three files."""
    needed = ["classInd.txt", *(f"{name}list0{split}.txt" for name in _LISTS)]
    if splits_dir is not None:
        places = [existing_folder(splits_dir, "data.splits_dir")]
    else:
        beside = root.parent
        places = [root, root / "ucfTrainTestlist"]
        places += [beside / "ucfTrainTestlist", beside / "ucf101_splits"]
    for place in places:
        if all((place / name).is_file() for name in needed):
            return place
    raise UserError(
        f"{', '.join(needed)} are not together in {' or '.join(map(str, places))}; give "
        "data.splits_dir=<folder of the official lists>"
    )


def _read_classes(file: Path) -> list[str]:
    """Class names by their 1-based number."""
    classes: dict[int, str] = {}
    for number, line in _lines(file):
        words = line.split()
        if len(words) != 2 or not words[0].isdecimal():
            raise UserError(f"{file}:{number}: '{line}' is not <number> <Class>; mend the line")
        if int(words[0]) in classes or words[1] in classes.values():
            raise UserError(f"{file}:{number}: '{line}' repeats a number or a class; drop one")
        classes[int(words[0])] = words[1]
    if len(classes) < 2 or sorted(classes) != list(range(1, len(classes) + 1)):
        raise UserError(f"{file}: the numbers are not 1, 2, 3, ... without a gap; mend the file")
    return [classes[number] for number in sorted(classes)]


def _lines(file: Path) -> list[tuple[int, str]]:
    """(line number, text) of the lines that are not blank."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file} cannot be read as UTF-8 text: {error}") from error
    lines = enumerate(text.split("\n"), start=1)
    return [(number, line.strip()) for number, line in lines if line.strip()]
