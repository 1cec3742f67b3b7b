"""A folder per class, or train/, val/, test/ with a folder per class in each."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from stfw.data.files import existing_folder, find_videos, subfolders
from stfw.data.splits import SPLIT_NAMES, complete_splits
from stfw.data.table_rows import read_rows
from stfw.types import Record, Split, UserError, nearest


class Folder:
    """Videos at any depth below one folder per class; the folder's name is the class.

    Where ``root`` holds ``train/`` (and ``val/``, ``test/``) with the class folders in each, those
    are the splits, and all must hold the same classes. Without ``val/`` a part of the training
    videos validates; without ``test/`` the validation videos also test, and a warning says so.
    With ``train/`` alone, or without split folders, the videos are cut into three, stratified by
    class.

    Args:
        root: the folder.
        groups: csv or jsonl with ``path`` (relative to ``root``) and ``group`` (scene, camera,
            subject): a group never stands on two sides of a split. Absolute, or relative to
            ``root`` or the working directory; it must name every video.
        val_fraction: of the training videos, where there is no ``val/``; 0 validates on test.
        test_fraction: of all videos, where there is neither ``val/`` nor ``test/``; 0 tests on val.
        split_seed: of the cut.
        folds: of a cross-validation: one tests, the others train and validate; None: no such cut.
        fold: the one that tests, 0..folds-1.

    Raises:
        UserError: no such folder, fewer than two classes, a class without videos, splits with
            different classes, a file without group or a group's file missing, a split left empty.
    """

    def __init__(
        self,
        root: str,
        groups: str | None = None,
        val_fraction: float = 0.15,
        test_fraction: float = 0.15,
        split_seed: int = 0,
        folds: int | None = None,
        fold: int = 0,
    ) -> None:
        self.root = existing_folder(root, "data.root")
        places = _split_folders(self.root) or {"train": ""}
        listing = {split: _class_files(self.root, place) for split, place in places.items()}
        self._classes = _agreed_classes(self.root, places, listing)
        files = {
            video for videos in listing.values() for paths in videos.values() for video in paths
        }
        group_of = _read_groups(groups, self.root, files) if groups else {}
        given: dict[Split, list[Record]] = {
            split: [
                Record(video, str(self.root / video), label, group=group_of.get(video))
                for label, name in enumerate(self._classes)
                for video in videos[name]
            ]
            for split, videos in listing.items()
        }
        self._splits = complete_splits(given, val_fraction, test_fraction, split_seed, folds, fold)

    @property
    def classes(self) -> list[str]:
        return list(self._classes)

    def records(self, split: Split) -> list[Record]:
        """The videos of a split, sorted by ``video_id``: the path relative to ``root``."""
        return list(self._splits[split])

    @classmethod
    def write_toy(cls, root: Path) -> Folder:
        """Four tiny videos below ``root``, two in each of two class folders."""
        from stfw.data.toy_render import draw_scene, render
        from stfw.video.writer import write_video

        for number, label in enumerate(("left", "right", "left", "right")):
            (root / label).mkdir(parents=True, exist_ok=True)
            scene = draw_scene(label, "red", 16, 32, np.random.default_rng(number))
            write_video(root / label / f"{number}.mp4", render(scene), fps=8)
        return cls(str(root))


def _split_folders(root: Path) -> dict[Split, str]:
    """Split -> name of its folder; empty where the folders of ``root`` are classes."""
    names = subfolders(root)
    splits = [name for name in names if name.lower() in SPLIT_NAMES]
    nested = [name for name in splits if SPLIT_NAMES[name.lower()] == "train"]
    # a class may be called "train": then it holds videos, not folders
    if not splits or not (splits == names or any(subfolders(root / name) for name in nested)):
        return {}
    if not nested:
        raise UserError(f"{root} holds {', '.join(splits)} but no train; add train/")
    others = [name for name in names if name not in splits and find_videos(root / name)]
    if others:
        raise UserError(
            f"{root} holds {', '.join(splits)} and also the folder '{others[0]}' with videos; "
            "move it into one of them, or away"
        )
    found: dict[Split, str] = {}
    for name in splits:
        split = SPLIT_NAMES[name.lower()]
        if split in found:
            raise UserError(f"{root}: {found[split]}/ and {name}/ both mean {split}; keep one")
        found[split] = name
    return found


def _class_files(root: Path, place: str) -> dict[str, list[str]]:
    """Class name -> its videos, as paths relative to ``root``, sorted."""
    folder = root / place
    videos = {
        name: [Path(place, name, video).as_posix() for video in find_videos(folder / name)]
        for name in subfolders(folder)
    }
    if not videos:
        raise UserError(f"{folder} holds no folders; give a folder with a subfolder per class")
    empty = [name for name, paths in videos.items() if not paths]
    if empty:
        more = f" (and {len(empty) - 1} more)" if len(empty) > 1 else ""
        raise UserError(
            f"{folder}: the class folder '{empty[0]}'{more} holds no video; put videos there "
            "(.mp4, .avi, .mkv, ...), or remove it"
        )
    if len(videos) == 1:
        name = next(iter(videos))
        inner = f"; did you mean {folder / name}?" if len(subfolders(folder / name)) > 1 else ""
        raise UserError(
            f"{folder} holds one class folder only, '{name}'{inner or '; add a second class'}"
        )
    return videos


def _agreed_classes(
    root: Path, places: dict[Split, str], listing: dict[Split, dict[str, list[str]]]
) -> list[str]:
    classes = set(listing["train"])
    for split, videos in listing.items():
        for name in sorted(classes ^ set(videos)):
            train, other = places["train"], places[split]
            has, lacks = (train, other) if name in classes else (other, train)
            hint = nearest(name, sorted((classes ^ set(videos)) - {name}))
            raise UserError(
                f"{root}: class '{name}' is in {has}/ but not in {lacks}/"
                f"{hint or '; every split needs every class: add it or remove it'}"
            )
    return sorted(classes)


def _read_groups(groups: str, root: Path, files: set[str]) -> dict[str, str]:
    """Video (relative to ``root``) -> group.

    Raises:
        UserError: the table is missing or wrong, names unknown files, or leaves files out.
    """
    inside = root / os.path.expanduser(groups)
    elsewhere = Path(groups).expanduser().is_file() and not inside.is_file()
    rows = read_rows(groups if elsewhere else str(inside), "data.groups", ("path", "group"))
    group_of: dict[str, str] = {}
    unknown: list[str] = []
    for where, values in rows:
        path = Path(os.path.abspath(root / values["path"]))
        video = (path.relative_to(root) if path.is_relative_to(root) else path).as_posix()
        if video not in files:
            unknown.append(values["path"])
        elif group_of.setdefault(video, values["group"]) != values["group"]:
            raise UserError(f"{where}: {video} already has group '{group_of[video]}'; give it one")
    if unknown:
        raise UserError(
            f"data.groups={groups} names {_some(unknown)} not under {root}"
            f"{nearest(unknown[0], sorted(files)) or '; remove those rows'}"
        )
    if left_out := sorted(files - set(group_of)):
        raise UserError(f"data.groups={groups} has no group for {_some(left_out)}; add rows")
    return group_of


def _some(names: list[str]) -> str:
    more = ", ..." if len(names) > 3 else ""
    return f"{len(names)} video{'s'[: len(names) != 1]} ({', '.join(names[:3])}{more})"
