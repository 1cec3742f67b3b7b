"""Something-Something V2 with its official json files (Goyal et al. 2017; Mahdisoltani 2018)."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from stfw.data.files import existing_folder
from stfw.data.listed import Listed, find_lists, read_lines, read_text, unique
from stfw.types import Record, Split, UserError, nearest

_PREFIX = "something-something-v2-"


class SomethingV2:
    """220847 videos of 174 templates: ``root/<id>.webm``.

    The lists are ``labels.json``, ``train.json`` and ``validation.json``, with or without the
    official prefix ``something-something-v2-``. The test list has no labels; where
    ``test-answers.csv`` lies beside it, it is used, otherwise the validation videos are tested.

    Args:
        root: the folder of the videos.
        annotations: folder of the lists; None: ``root``, or ``labels`` or ``annotations`` in it or
            beside it.
        suffix: of the video files.
        allow_missing: go on with the videos that are there.

    Raises:
        UserError: lists are missing or wrong; videos are missing (when asked for).
    """

    def __init__(
        self,
        root: str,
        annotations: str | None = None,
        suffix: str = ".webm",
        allow_missing: bool = False,
    ) -> None:
        self.root, self.suffix = existing_folder(root, "data.root"), suffix
        folder, prefix = _find_folder(self.root, annotations)
        numbers = _read_json(folder / f"{prefix}labels.json", dict)
        self._classes = sorted(numbers, key=lambda name: _number(numbers[name]))
        if [_number(numbers[name]) for name in self._classes] != list(range(len(numbers))):
            raise UserError(
                f"{folder}/{prefix}labels.json: the numbers are not 0, 1, 2, ...; mend the file"
            )
        first: dict[str, str] = {}
        listed: dict[Split, list[Record]] = {}
        names: tuple[tuple[Split, str], ...] = (("train", "train"), ("val", "validation"))
        for split, name in names:
            file = folder / f"{prefix}{name}.json"
            entries = enumerate(_read_json(file, list), start=1)
            rows = [_row(f"{file}, entry {number}", entry) for number, entry in entries]
            listed[split] = self._records(rows, first)
        answers = [folder / "test-answers.csv", folder / f"{prefix}test-answers.csv"]
        for file in answers:
            if file.is_file():
                lines = [(where, line.partition(";")) for where, line in read_lines(file)]
                rows = [(where, parts[0].strip(), parts[2].strip()) for where, parts in lines]
                listed["test"] = self._records(rows, first)
                break
        self.lists = Listed("Something-Something V2", self.root, listed, 0.0, allow_missing)

    @property
    def classes(self) -> list[str]:
        """The templates in the order of labels.json."""
        return list(self._classes)

    def records(self, split: Split) -> list[Record]:
        """The videos of a split, sorted by ``video_id``: the number.

        Raises:
            UserError: videos are missing and ``allow_missing`` is not set, or none is there.
        """
        return self.lists.records(split)

    @classmethod
    def write_toy(cls, root: Path) -> SomethingV2:
        """Four tiny videos of two templates with their lists, below ``root``."""
        from stfw.data.toy_render import draw_scene, render
        from stfw.video.writer import write_video

        root.mkdir(parents=True, exist_ok=True)
        templates = {"Pushing something from left to right": "right", "Lifting something": "up"}
        rows = []
        for number in range(4):
            template = list(templates)[number % 2]
            scene = draw_scene(templates[template], "red", 16, 32, np.random.default_rng(number))
            write_video(root / f"{100 + number}.webm", render(scene), fps=12, codec="libvpx-vp9")
            label = template.replace("something", "a cup")
            bracketed = template.replace("something", "[something]")
            rows.append({"id": str(100 + number), "label": label, "template": bracketed})
        labels = {template: str(index) for index, template in enumerate(templates)}
        (root / "labels.json").write_text(json.dumps(labels))
        (root / "train.json").write_text(json.dumps(rows[:2]))
        (root / "validation.json").write_text(json.dumps(rows[2:3]))
        (root / "test-answers.csv").write_text("103;Lifting something\n")
        return cls(str(root))

    def _records(self, rows: Sequence[tuple[str, str, str]], first: dict[str, str]) -> list[Record]:
        """Records of (where it stands, id, template) rows."""
        label_of = {name: label for label, name in enumerate(self._classes)}
        records = []
        for where, video_id, template in rows:
            if not re.fullmatch(r"\d+", video_id):
                raise UserError(f"{where}: '{video_id}' is no id of a video; mend the entry")
            if template not in label_of:
                hint = nearest(template, label_of) or "; mend the entry"
                raise UserError(f"{where}: template '{template}' is not in labels.json{hint}")
            unique(where, video_id, first)
            path = str(self.root / (video_id + self.suffix))
            records.append(Record(video_id, path, label_of[template]))
        return records


def _row(where: str, entry: Any) -> tuple[str, str, str]:
    """(where, id, template without its brackets, as labels.json has it) of a json entry."""
    if not isinstance(entry, dict) or "id" not in entry or "template" not in entry:
        raise UserError(f"{where}: there are no id and template in it; mend the entry")
    return where, str(entry["id"]), str(entry["template"]).replace("[", "").replace("]", "")


def _number(text: Any) -> int:
    """A class number; -1 for what is none."""
    return int(text) if str(text).isdecimal() else -1


def _find_folder(root: Path, annotations: str | None) -> tuple[Path, str]:
    """The folder of the lists, and the prefix of their names."""
    beside = ("labels", "annotations")
    for prefix in (_PREFIX, ""):
        needed = [f"{prefix}{name}.json" for name in ("labels", "train", "validation")]
        try:
            where = annotations
            if where is not None:
                existing_folder(where, "data.annotations")
            return find_lists(root, where, needed, beside), prefix
        except UserError as error:
            if not prefix:
                text = str(error).replace("data.splits_dir", "data.annotations")
                raise UserError(text) from error
    raise AssertionError


def _read_json(file: Path, kind: type) -> Any:
    try:
        content = json.loads(read_text(file))
    except ValueError as error:
        raise UserError(f"{file} is no json: {error}") from error
    if not isinstance(content, kind) or not content:
        raise UserError(f"{file}: does not hold a json {kind.__name__} of entries")
    return content
