"""Kinetics-400, -600 and -700 with their official csv files (Kay et al. 2017)."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from stfw.data.files import existing_folder, logger
from stfw.data.listed import Listed, read_csv, unique
from stfw.types import VIDEO_SUFFIXES, Record, Split, UserError, nearest

_NAMES: dict[Split, tuple[str, ...]] = {
    "train": ("train",),
    "val": ("val", "validate", "validation"),
    "test": ("test",),
}
_COLUMNS = ("youtube_id", "time_start", "time_end")


class Kinetics:
    """Clips named by YouTube id, in any of the layouts in which they are handed round.

    A clip is looked for in ``root``, ``root/<split>``, and in ``<class>/`` below each (spaces of
    the class kept or turned to ``_``), as ``<id>_<start>_<end>`` with six digits each or as
    ``<id>``, with any video suffix. A split whose rows have no labels (the official test list) is
    left out. Clips of one YouTube video stay together where the validation split is cut here; where
    lists have them on two sides, a warning says so.

    Args:
        root: the folder of the videos.
        annotations: folder of the csv files, ``train.csv`` or a name that ends in ``_train.csv``,
            and likewise ``val`` (``validate``) and ``test``; None: ``root``, or ``annotations`` in
            it or beside it.
        allow_missing: go on with the clips that are there: many have left YouTube.
        val_fraction: of the training clips, where there is no validation list.

    Raises:
        UserError: lists are missing or wrong; clips are missing (when asked for).
    """

    def __init__(
        self,
        root: str,
        annotations: str | None = None,
        allow_missing: bool = False,
        val_fraction: float = 0.1,
    ) -> None:
        self.root = existing_folder(root, "data.root")
        files = _find_files(self.root, annotations)
        rows = {split: read_csv(file, _COLUMNS) for split, file in files.items()}
        labelled = {
            split: given
            for split, given in rows.items()
            if split == "train" or any(row.get("label") for _, row in given)
        }
        self._classes = sorted({row.get("label", "") for _, row in labelled["train"]} - {""})
        label_of = {name: label for label, name in enumerate(self._classes)}
        if len(label_of) < 2:
            raise UserError(f"{files['train']} names {len(label_of)} classes; it needs two or more")
        inside = _Files(self.root)
        listed: dict[Split, list[Record]] = {}
        first: dict[str, str] = {}
        for split, given in labelled.items():
            for where, row in given:
                name, source = row["label"], row["youtube_id"]
                if name not in label_of:
                    hint = nearest(name, label_of) or "; mend the row or remove it"
                    raise UserError(f"{where}: class '{name}' has no training video{hint}")
                stem = _stem(where, row)
                unique(where, stem, first)
                path = inside.find(split, name, (stem, source))
                group = source if split == "train" and "val" not in labelled else None
                listed.setdefault(split, []).append(Record(stem, path, label_of[name], group=group))
        _warn_of_shared_sources(labelled)
        self.lists = Listed("Kinetics", self.root, listed, val_fraction, allow_missing)

    @property
    def classes(self) -> list[str]:
        """In alphabetical order, the official one."""
        return list(self._classes)

    def records(self, split: Split) -> list[Record]:
        """The clips of a split, sorted by ``video_id``: ``<id>_<start>_<end>``.

        Raises:
            UserError: clips are missing and ``allow_missing`` is not set, or none is there.
        """
        return self.lists.records(split)

    @classmethod
    def write_toy(cls, root: Path) -> Kinetics:
        """Four tiny clips of two classes with their lists, below ``root``."""
        from stfw.data.toy_render import draw_scene, render
        from stfw.video.writer import write_video

        clips = [
            ("train", "air drumming", "abc-DEF_123"),
            ("train", "zumba", "-startsWith1"),
            ("val", "air drumming", "_underscore1"),
            ("test", "zumba", "zzzzzzzzzzz"),
        ]
        lines: dict[str, list[str]] = {}
        for number, (split, label, name) in enumerate(clips):
            folder = root / split / label
            folder.mkdir(parents=True, exist_ok=True)
            motion = "grow" if label == "zumba" else "left"
            scene = draw_scene(motion, "red", 16, 32, np.random.default_rng(number))
            write_video(folder / f"{name}_000004_000014.mp4", render(scene), fps=8)
            lines.setdefault(split, []).append(f'"{label}",{name},4,14,{split},0\n')
        for split, rows in lines.items():
            header = "label,youtube_id,time_start,time_end,split,is_cc\n"
            (root / f"kinetics_{split}.csv").write_text(header + "".join(rows))
        return cls(str(root))


class _Files:
    """The video files below ``root``; every folder is listed once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.listings: dict[Path, dict[str, str]] = {}
        self.places: dict[tuple[Split, str], list[dict[str, str]]] = {}

    def find(self, split: Split, label: str, stems: Sequence[str]) -> str:
        """The path of a clip; where there is none, the one at which it should be."""
        # hundreds of thousands of calls, hundreds of classes: folders are thought of once a class
        if (split, label) not in self.places:
            self.places[split, label] = self._places(split, label)
        for listing in self.places[split, label]:
            for stem in stems:
                if stem in listing:
                    return listing[stem]
        return os.path.join(self.root, label, f"{stems[0]}.mp4")

    def _places(self, split: Split, label: str) -> list[dict[str, str]]:
        """The listings of the folders that may hold a class, without empty ones."""
        listings = []
        for top in (self.root, *(self.root / name for name in _NAMES[split])):
            for folder in dict.fromkeys((top / label, top / label.replace(" ", "_"), top)):
                listings.append(self._listing(folder))
        return [listing for listing in listings if listing]

    def _listing(self, folder: Path) -> dict[str, str]:
        """Stem -> path of the videos in a folder."""
        if folder not in self.listings:
            try:
                names = sorted(os.listdir(folder))
            except OSError:
                names = []
            place = os.path.join(folder, "")
            pairs = [(*os.path.splitext(name), name) for name in names]
            self.listings[folder] = {
                stem: place + name
                for stem, suffix, name in pairs
                if suffix.lower() in VIDEO_SUFFIXES
            }
        return self.listings[folder]


def _warn_of_shared_sources(rows: dict[Split, list[tuple[str, dict[str, str]]]]) -> None:
    """Says where clips of one YouTube video stand in training and elsewhere."""
    trained = {row["youtube_id"] for _, row in rows["train"]}
    for split, given in rows.items():
        shared = [where for where, row in given if row["youtube_id"] in trained]
        if split != "train" and shared:
            logger.warning(
                "Kinetics: %d of %d %s clips are from YouTube videos that also train (first: %s)",
                *(len(shared), len(given), split, shared[0]),
            )


def _find_files(root: Path, annotations: str | None) -> dict[Split, Path]:
    places = [root, root / "annotations", root.parent / "annotations"]
    if annotations is not None:
        places = [existing_folder(annotations, "data.annotations")]
    for place in places:
        found: dict[Split, Path] = {}
        for split, names in _NAMES.items():
            files = [f for name in names for f in sorted(place.glob(f"*{name}.csv"))]
            if len(files) > 1:
                raise UserError(f"{place} holds {files[0].name} and {files[1].name}; keep one")
            if files:
                found[split] = files[0]
        if "train" in found:
            return found
    raise UserError(
        f"train.csv is not in {' or '.join(map(str, places))}; give data.annotations=<folder of "
        "the official csv files>"
    )


def _stem(where: str, row: dict[str, str]) -> str:
    if not re.fullmatch(r"[\w-]+", row["youtube_id"]):
        raise UserError(f"{where}: youtube_id '{row['youtube_id']}' is no id; mend the row")
    try:
        begin, end = round(float(row["time_start"])), round(float(row["time_end"]))
    except (ValueError, OverflowError) as error:
        raise UserError(f"{where}: time_start and time_end are no numbers; mend the row") from error
    return f"{row['youtube_id']}_{begin:06d}_{end:06d}"
