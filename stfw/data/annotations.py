"""Annotation lists of other toolboxes, as people bring them: a line per video."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from stfw.data.files import existing_folder, logger
from stfw.data.listed import Listed, read_lines, unique
from stfw.types import Record, Split, UserError, nearest

Kind = Literal["videos", "rawframes"]
_Row = tuple[str, str, tuple[int, ...]]  # "train.txt:3", path, labels


class Annotations:
    """Lists of MMAction2, PyTorchVideo and SlowFast: ``<path> <label> [<label> ...]``.

    MMAction's raw frames have the number of frames between: ``<folder> <frames> <label> ...``; an
    offset before it (``<folder> <offset> <frames> <label>``) is not known. Paths may hold spaces:
    the labels are the integers at the end of the line. PyTorchVideo's class folders
    (``<folder>/<class>/<video>``) are read by ``data=folder``.

    Args:
        train: list of the training videos.
        val: of the validation videos; None: cut from the training list.
        test: of the test videos; None: the validation videos.
        root: relative paths start here; None: at the training list's folder.
        kind: ``videos``, or ``rawframes``: folders of pictures.
        pattern: names of the pictures, ``img_%05d.jpg`` or MMAction's ``img_{:05}.jpg``.
        delimiter: between path and labels; None: white space.
        classes: class names in the order of their numbers, or a file with one per line; None:
            ``0``, ``1``, ..., and then every number needs a training video.
        multi_label: a video may have several labels.
        val_fraction: of the training videos, where there is no list of validation videos.
        allow_missing: go on with the videos that are there.

    Raises:
        UserError: lists are missing or wrong, with file and line; videos are missing (when asked
            for).
    """

    def __init__(
        self,
        train: str,
        val: str | None = None,
        test: str | None = None,
        root: str | None = None,
        kind: Kind = "videos",
        pattern: str = "img_%05d.jpg",
        delimiter: str | None = None,
        classes: Sequence[str] | str | None = None,
        multi_label: bool = False,
        val_fraction: float = 0.1,
        allow_missing: bool = False,
    ) -> None:
        if kind not in get_args(Kind):
            hint = nearest(str(kind), get_args(Kind)) or "; give videos or rawframes"
            raise UserError(f"data.kind={kind} is not known{hint}")
        files = {split: _file(path, split) for split, path in _given(train, val, test).items()}
        self.root = files["train"].parent if root is None else existing_folder(root, "data.root")
        self.kind, self.pattern = kind, _printf(pattern)
        self.delimiter, self.multi_label = delimiter, multi_label
        first: dict[str, str] = {}
        rows = {split: self._read(file, first) for split, file in files.items()}
        self._classes = _class_names(classes, rows)
        for given in rows.values():
            for where, _, labels in given:
                if max(labels) >= len(self._classes):
                    raise UserError(
                        f"{where}: label {max(labels)} is beyond the {len(self._classes)} "
                        f"data.classes; labels are 0 to {len(self._classes) - 1}"
                    )
        if untrained := sorted(set(range(len(self._classes))) - _labels(rows["train"])):
            logger.warning(
                "%s: %d of the %d data.classes have no training video (first: '%s')",
                *(files["train"], len(untrained), len(self._classes), self._classes[untrained[0]]),
            )
        listed = {
            split: [
                Record(name, self._path(name), labels if multi_label else labels[0])
                for _, name, labels in given
            ]
            for split, given in rows.items()
        }
        self.lists = Listed(files["train"].name, self.root, listed, val_fraction, allow_missing)

    @property
    def classes(self) -> list[str]:
        return list(self._classes)

    def records(self, split: Split) -> list[Record]:
        """The videos of a split, sorted by ``video_id``: the path as listed.

        Raises:
            UserError: videos are missing and ``allow_missing`` is not set, or none is there.
        """
        return self.lists.records(split)

    @classmethod
    def write_toy(cls, root: Path) -> Annotations:
        """Four tiny videos, one with a space in its name, and their lists, below ``root``."""
        from stfw.data.toy_render import draw_scene, render
        from stfw.video.writer import write_video

        (root / "videos").mkdir(parents=True, exist_ok=True)
        lines = []
        for number, motion in enumerate(("left", "right", "left", "right")):
            scene = draw_scene(motion, "red", 16, 32, np.random.default_rng(number))
            write_video(root / f"videos/clip {number}.mp4", render(scene), fps=8)
            lines.append(f"videos/clip {number}.mp4 {number % 2}\n")
        for name, listed in (("train", lines[:2]), ("val", lines[2:3]), ("test", lines[3:])):
            (root / f"{name}.txt").write_text("".join(listed))
        return cls(str(root / "train.txt"), str(root / "val.txt"), str(root / "test.txt"))

    def _path(self, name: str) -> str:
        path = os.path.abspath(os.path.join(self.root, name))
        return os.path.join(path, self.pattern) if self.kind == "rawframes" else path

    def _read(self, file: Path, first: dict[str, str]) -> list[_Row]:
        rows: list[_Row] = []
        for where, line in read_lines(file):
            words = line.split(self.delimiter)
            ending: list[int] = []
            while len(words) > 1 and re.fullmatch(r"\d+", words[-1].strip()):
                ending.insert(0, int(words.pop()))
            name = (self.delimiter or " ").join(words).strip()
            if self.delimiter is None:  # keep the name's own spaces
                name = re.sub(r"(\s+\d+)+$", "", line)
            if self.kind == "rawframes":
                ending = ending[1:]  # the number of frames; the folder tells it too
            if not ending or not name:
                parts = "<path> <label>" if self.kind == "videos" else "<folder> <frames> <label>"
                raise UserError(f"{where}: '{line}' is not {parts}; mend the line")
            if len(ending) > 1 and not self.multi_label:
                raise UserError(
                    f"{where}: '{line}' has {len(ending)} labels; set data.multi_label=true"
                )
            unique(where, os.path.normpath(name), first)  # ./a.mp4 is a.mp4
            rows.append((where, name, tuple(ending)))
        if not rows:
            raise UserError(f"{file} lists no video; give another list")
        return rows


def _given(train: str, val: str | None, test: str | None) -> dict[Split, str]:
    paths: dict[Split, str | None] = {"train": train, "val": val, "test": test}
    return {split: path for split, path in paths.items() if path}


def _file(path: str, key: str) -> Path:
    file = Path(os.path.abspath(os.path.expanduser(path)))
    if file.is_dir():
        raise UserError(
            f"data.{key}={path} is a folder, not a list; folders with a folder per class are read "
            f"by data=folder data.root={file}"
        )
    if not file.is_file():
        raise UserError(f"data.{key}={path}: there is no such file; give a list")
    return file


def _printf(pattern: str) -> str:
    """``img_{:05}.jpg`` and ``img_{:05d}.jpg`` as ``img_%05d.jpg``."""
    made = re.sub(r"\{:0(\d+)d?\}", r"%0\1d", pattern)
    if not re.fullmatch(r"[^%]*%0\d+d[^%]*", made):
        raise UserError(f"data.pattern={pattern} has no number; give for example img_%05d.jpg")
    return made


def _labels(rows: Sequence[_Row]) -> set[int]:
    return {label for _, _, labels in rows for label in labels}


def _class_names(classes: Sequence[str] | str | None, rows: dict[Split, list[_Row]]) -> list[str]:
    if isinstance(classes, str):
        names = [line for _, line in read_lines(_file(classes, "classes"))]
    elif classes is not None:
        names = [str(name) for name in classes]
    else:
        trained = _labels(rows["train"])
        for where, _, labels in (row for given in rows.values() for row in given):
            if max(labels) >= len(trained):  # lists that count from 1 end here too
                missing = next(n for n in range(len(trained) + 1) if n not in trained)
                raise UserError(
                    f"{where}: label {max(labels)}, but no training video has label {missing}; "
                    "number the classes 0, 1, 2, ..., or name them all in data.classes"
                )
        names = [str(number) for number in range(len(trained))]
    if len(names) < 2 or len(set(names)) != len(names):
        raise UserError(f"data.classes={names[:5]}: two names or more are needed, each once")
    return names
