"""A folder per class, with or without ``train/``, ``val/``, ``test/`` above."""

from __future__ import annotations

import csv
from functools import cached_property
from pathlib import Path

from stfw.data.splits import SPLITS, Divided, check_no_group_leak, list_videos, split_records
from stfw.types import Record, Split, UserError, nearest


class Folder:
    """Videos in ``<root>/<class>/...`` or ``<root>/<train|val|test>/<class>/...``.

    Without split folders the videos are divided by ``val_fraction`` and ``test_fraction``, evenly
    per class. With a ``train`` folder that lacks ``val`` or ``test``, the missing ones are taken
    from ``train`` by the same fractions.

    Args:
        root: the folder.
        groups: csv with columns ``path,group`` (paths relative to ``root``); the csv's own path is
            relative to ``root`` or to the working directory. A group never stands on two sides.
        val_fraction: share of the videos to validate on.
        test_fraction: share of the videos to test on.
        split_seed: another seed divides otherwise.

    Raises:
        UserError: no such folder, no classes, an empty class, one class only, a video without a
            group, or a group on two sides.
    """

    def __init__(
        self,
        root: str,
        groups: str | None = None,
        val_fraction: float = 0.15,
        test_fraction: float = 0.15,
        split_seed: int = 0,
    ) -> None:
        self.root = check_folder(root, "data.root")
        self.groups = groups
        self.fractions, self.split_seed = (val_fraction, test_fraction), split_seed

    @cached_property
    def classes(self) -> list[str]:
        """Names of the class folders, in order."""
        names = {split: self._class_names(folder) for split, folder in self._parts.items()}
        first = next(iter(names))
        for split, found in names.items():
            if odd := sorted(set(found) ^ set(names[first])):
                raise UserError(
                    f"{self.root}: {first}/ and {split}/ have different classes ({', '.join(odd)})"
                )
        if len(names[first]) < 2:
            raise UserError(
                f"data.root={self.root}: there is one class folder only ({names[first][0]}); "
                "a classifier needs at least two"
            )
        return names[first]

    def records(self, split: Split) -> list[Record]:
        return self._divided[split]

    @classmethod
    def write_toy(cls, root: Path) -> Folder:
        """Four videos: two classes, each with one to train on and one for the rest."""
        import numpy as np

        from stfw.video.writer import write_video

        for split, name in (("train", "a b"), ("train", "ç"), ("val", "a b"), ("val", "ç")):
            (root / split / name).mkdir(parents=True, exist_ok=True)
            frames_THWC = np.full((8, 32, 32, 3), 50 if name == "ç" else 200, np.uint8)
            write_video(root / split / name / f"{split}.mp4", frames_THWC, 8)
        (root / "test").mkdir(exist_ok=True)
        for name in ("a b", "ç"):
            (root / "test" / name).mkdir(exist_ok=True)
            source = root / "val" / name / "val.mp4"
            (root / "test" / name / "test.mp4").write_bytes(source.read_bytes())
        return cls(str(root))

    @cached_property
    def _parts(self) -> dict[str, Path]:
        """Split folders where there is a ``train`` one, else the root under an empty name."""
        if (self.root / "train").is_dir():
            return {name: self.root / name for name in SPLITS if (self.root / name).is_dir()}
        return {"": self.root}

    def _class_names(self, folder: Path) -> list[str]:
        names = sorted(
            path.name
            for path in folder.iterdir()
            if path.is_dir() and not path.name.startswith(".")
        )
        if not names:
            raise UserError(f"data.root={folder}: there is no class folder in it")
        for name in names:
            if not list_videos(folder / name):
                raise UserError(
                    f"{folder / name}: the class folder holds no videos; fill it or remove it"
                )
        return names

    @cached_property
    def _divided(self) -> Divided:
        groups = self._read_groups()
        found: dict[str, list[Record]] = {}
        for split, folder in self._parts.items():
            found[split] = [
                self._record(path, label, groups)
                for label, name in enumerate(self.classes)
                for path in list_videos(folder / name)
            ]
        val_fraction, test_fraction = self.fractions
        if "" in found:
            return split_records(found[""], val_fraction, test_fraction, self.split_seed)
        missing = {name: name not in found for name in ("val", "test")}
        divided: Divided = {split: found.get(split, []) for split in SPLITS}
        if any(missing.values()):
            taken = split_records(
                found["train"],
                val_fraction if missing["val"] else 0.0,
                test_fraction if missing["test"] else 0.0,
                self.split_seed,
            )
            divided = {split: found.get(split, taken[split]) for split in SPLITS}
            divided["train"] = taken["train"]
        check_no_group_leak(divided)
        return divided

    def _record(self, path: Path, label: int, groups: dict[str, str] | None) -> Record:
        name = path.relative_to(self.root).as_posix()
        if groups is not None and name not in groups:
            raise UserError(f"{self.groups}: there is no group for {name}; add a row for it")
        return Record(name, str(path.absolute()), label, group=groups[name] if groups else None)

    def _read_groups(self) -> dict[str, str] | None:
        if self.groups is None:
            return None
        path = self.root / self.groups
        if not path.is_file():
            path = Path(self.groups).expanduser()
        if not path.is_file():
            raise UserError(f"data.groups={self.groups}: there is no such file")
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            columns = rows.fieldnames or []
            for name in ("path", "group"):
                if name not in columns:
                    raise UserError(
                        f"{path}: there is no column '{name}'{nearest(name, columns)}; "
                        f"it has {', '.join(columns) or 'none'}"
                    )
            groups = {Path(row["path"]).as_posix(): row["group"] for row in rows}
        absent = [name for name in groups if not (self.root / name).is_file()]
        if absent:
            raise UserError(
                f"{path}: {len(absent)} of its {len(groups)} files are not below {self.root} "
                f"(first: {absent[0]})"
            )
        return groups


def check_folder(where: str, key: str) -> Path:
    """The folder that a key names.

    Raises:
        UserError: there is none; names the nearest neighbour.
    """
    path = Path(where).expanduser()
    if path.is_dir():
        return path
    if path.exists():
        raise UserError(f"{key}={where}: this is a file; name the folder")
    names = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
    raise UserError(f"{key}={where}: there is no such folder{nearest(path.name, names)}")
