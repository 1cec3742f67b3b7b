"""UCF101 in its official layout and splits (Soomro, Zamir, Shah 2012, arXiv:1212.0402)."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from stfw.data.files import existing_folder
from stfw.data.listed import Listed, find_lists, read_lines, unique
from stfw.types import Record, Split, UserError, nearest

_LISTS: tuple[Split, ...] = ("train", "test")


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
        needed = ["classInd.txt", *(f"{name}list0{split}.txt" for name in _LISTS)]
        lists = find_lists(self.root, splits_dir, needed, ("ucfTrainTestlist", "ucf101_splits"))
        self._classes = _read_classes(lists / "classInd.txt")
        self.lists = Listed(
            f"UCF101 split {split}",
            self.root,
            {name: self._read_list(lists / f"{name}list0{split}.txt") for name in _LISTS},
            val_fraction,
            allow_missing,
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
        return self.lists.records(split)

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

    def _read_list(self, file: Path) -> list[Record]:
        label_of = {name: label for label, name in enumerate(self._classes)}
        first: dict[str, str] = {}
        records = []
        for where, line in read_lines(file):
            video, *labels = line.split()
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
            unique(where, video, first)
            path = str(self.root / video)
            records.append(Record(video, path, label, group=f"{action}_{group}"))
        if not records:
            raise UserError(f"{file} lists no video; give data.splits_dir=<the official lists>")
        return records


def _read_classes(file: Path) -> list[str]:
    """Class names by their 1-based number."""
    classes: dict[int, str] = {}
    for where, line in read_lines(file):
        words = line.split()
        if len(words) != 2 or not words[0].isdecimal():
            raise UserError(f"{where}: '{line}' is not <number> <Class>; mend the line")
        if int(words[0]) in classes or words[1] in classes.values():
            raise UserError(f"{where}: '{line}' repeats a number or a class; drop one")
        classes[int(words[0])] = words[1]
    if len(classes) < 2 or sorted(classes) != list(range(1, len(classes) + 1)):
        raise UserError(f"{file}: the numbers are not 1, 2, 3, ... without a gap; mend the file")
    return [classes[number] for number in sorted(classes)]
