"""Jester with its official csv lists: gestures as folders of pictures (Materzynska et al. 2019)."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from stfw.data.files import existing_folder
from stfw.data.listed import Listed, read_lines, unique
from stfw.types import Record, Split, UserError, nearest

_NAMES: dict[Split, str] = {"train": "train", "val": "validation", "test": "test"}


class Jester:
    """148092 clips of 27 gestures: ``root/<id>/00001.jpg``, ``00002.jpg``, ...

    The lists are ``;``-separated without a header: ``<anything>labels.csv`` with a class per line,
    and ``<anything>train.csv`` and ``<anything>validation.csv`` with ``id;class``. The official
    test list has no classes; then the validation videos are tested.

    Args:
        root: the folder of the numbered folders.
        annotations: folder of the lists; None: ``root``, or beside it.
        pattern: names of the pictures.
        allow_missing: go on with the videos that are there.

    Raises:
        UserError: lists are missing or wrong; videos are missing (when asked for).
    """

    def __init__(
        self,
        root: str,
        annotations: str | None = None,
        pattern: str = "%05d.jpg",
        allow_missing: bool = False,
    ) -> None:
        self.root, self.pattern = existing_folder(root, "data.root"), pattern
        places = [self.root, self.root.parent]
        if annotations is not None:
            places = [existing_folder(annotations, "data.annotations")]
        labels = _find(places, "labels")
        self._classes = [line for _, line in read_lines(labels)]
        if len(set(self._classes)) != len(self._classes) or len(self._classes) < 2:
            raise UserError(f"{labels} must name two classes or more, each once")
        first: dict[str, str] = {}
        listed: dict[Split, list[Record]] = {}
        for split, name in _NAMES.items():
            if split == "train" or any(list(place.glob(f"*{name}.csv")) for place in places):
                listed[split] = self._read(_find(places, name), first)
        self.lists = Listed("Jester", self.root, listed, 0.1, allow_missing)

    @property
    def classes(self) -> list[str]:
        """In the order of the list of labels."""
        return list(self._classes)

    def records(self, split: Split) -> list[Record]:
        """The videos of a split, sorted by ``video_id``: the number.

        Raises:
            UserError: videos are missing and ``allow_missing`` is not set, or none is there.
        """
        return self.lists.records(split)

    @classmethod
    def write_toy(cls, root: Path) -> Jester:
        """Four tiny folders of pictures with their lists, below ``root``."""
        from stfw.data.toy_render import draw_scene, render, write_pictures

        motions = {"Swiping Left": "left", "Swiping Right": "right"}
        rows = []
        for number in range(4):
            label = list(motions)[number % 2]
            scene = draw_scene(motions[label], "red", 16, 32, np.random.default_rng(number))
            write_pictures(root / str(number + 1), "%05d.jpg", render(scene), first=1)
            rows.append(f"{number + 1};{label}\n")
        (root / "jester-v1-labels.csv").write_text("".join(f"{name}\n" for name in motions))
        (root / "jester-v1-train.csv").write_text("".join(rows[:2]))
        (root / "jester-v1-validation.csv").write_text(rows[2])
        (root / "jester-v1-test.csv").write_text(rows[3])
        return cls(str(root))

    def _read(self, file: Path, first: dict[str, str]) -> list[Record]:
        label_of = {name: label for label, name in enumerate(self._classes)}
        records = []
        for where, line in read_lines(file):
            video_id, _, label = line.partition(";")
            if not label and "test" in file.name:
                return []  # the official test list tells no classes
            if not re.fullmatch(r"\w+", video_id):
                raise UserError(f"{where}: '{line}' is not <id>;<class>; mend the line")
            if label not in label_of:
                hint = nearest(label, label_of) or "; mend the line"
                raise UserError(f"{where}: class '{label}' is not in the list of labels{hint}")
            unique(where, video_id, first)
            path = str(self.root / video_id / self.pattern)
            records.append(Record(video_id, path, label_of[label]))
        return records


def _find(places: list[Path], name: str) -> Path:
    for place in places:
        files = sorted(place.glob(f"*{name}.csv"))
        if len(files) == 1:
            return files[0]
    raise UserError(
        f"one file *{name}.csv is not in {' or '.join(map(str, places))}; give "
        "data.annotations=<folder of the official lists>"
    )
