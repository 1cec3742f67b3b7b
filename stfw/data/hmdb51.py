"""HMDB51 in its official layout and splits (Kuehne et al. 2011)."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from stfw.data.files import existing_folder, subfolders
from stfw.data.listed import Listed, find_lists, read_lines, unique
from stfw.types import Record, Split, UserError

_SIDES: dict[str, Split | None] = {"1": "train", "2": "test", "0": None}
_FOLDERS = ("testTrainMulti_7030_splits", "hmdb51_splits", "splits")


class HMDB51:
    """6766 clips of 51 actions: ``root/<class>/<file>.avi``.

    The official lists are a file per class, ``<class>_test_split<N>.txt``, that marks each clip as
    training (1), test (2) or unused (0). The validation split takes the clips of whole source films
    (a file's name up to the class in it) out of the training list, whatever classes a film shows.
    The official training and test lists keep a film on one side within a class only: about 140
    films stand on both.

    Args:
        root: the folder that holds the class folders.
        split: 1, 2 or 3.
        splits_dir: folder of the lists; None: looked for in ``root``, then in
            ``testTrainMulti_7030_splits`` or ``hmdb51_splits`` inside it and beside it.
        val_fraction: of the training clips; 0 validates on the test clips.
        allow_missing: go on with the clips that are there.

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
            raise UserError(f"data.split={split} does not exist in HMDB51; give 1, 2 or 3")
        self.root = existing_folder(root, "data.root")
        ending = f"_test_split{split}.txt"
        lists = _find_any(self.root, splits_dir, ending)
        files = {file.name.removesuffix(ending): file for file in lists.glob(f"*{ending}")}
        self._classes = sorted(files)
        listed: dict[Split, list[Record]] = {"train": [], "test": []}
        first: dict[str, str] = {}
        for label, name in enumerate(self._classes):
            for where, line in read_lines(files[name]):
                match = re.fullmatch(r"(\S+\.avi)\s+([012])", line)
                if match is None:
                    raise UserError(f"{where}: '{line}' is not <file>.avi 0|1|2; mend the line")
                video = f"{name}/{match[1]}"
                unique(where, video, first)
                side = _SIDES[match[2]]
                if side is not None:
                    # the last one: "how_to_do_a_cartwheel_cartwheel_f_cm_np1_ri_med_0.avi"
                    film = match[1].rsplit(f"_{name}_", 1)[0] if side == "train" else None
                    listed[side].append(Record(video, str(self.root / video), label, group=film))
        if len(self._classes) < 2 or not listed["train"]:
            raise UserError(f"{lists} lists {len(self._classes)} classes; give the official lists")
        self.lists = Listed(f"HMDB51 split {split}", self.root, listed, val_fraction, allow_missing)

    @property
    def classes(self) -> list[str]:
        """In alphabetical order, as the lists are."""
        return list(self._classes)

    def records(self, split: Split) -> list[Record]:
        """The clips of a split, sorted by ``video_id``: ``<class>/<file>``.

        Raises:
            UserError: clips are missing and ``allow_missing`` is not set, or none is there.
        """
        return self.lists.records(split)

    @classmethod
    def write_toy(cls, root: Path) -> HMDB51:
        """Four tiny clips of two classes with their lists, below ``root``."""
        from stfw.data.toy_render import draw_scene, render
        from stfw.video.writer import write_video

        (root / "splits").mkdir(parents=True, exist_ok=True)
        clips = {
            "turn": [("A_FILM_turn_f_cm_np1_fr_med_0", 1), ("OTHER_turn_u_nm_np1_ba_bad_1", 2)],
            "wave": [("A_FILM_wave_f_cm_np1_fr_med_0", 1), ("THIRD_wave_u_nm_np1_ba_bad_2", 1)],
        }
        for number, (name, listed) in enumerate(clips.items()):
            (root / name).mkdir(exist_ok=True)
            for clip, _ in listed:
                motion = "clockwise" if name == "turn" else "left"
                scene = draw_scene(motion, "red", 16, 32, np.random.default_rng(number))
                write_video(root / name / f"{clip}.avi", render(scene), fps=30, codec="mpeg4")
            lines = "".join(f"{clip}.avi {side} \n" for clip, side in listed)
            for split in (1, 2, 3):
                (root / "splits" / f"{name}_test_split{split}.txt").write_text(lines)
        return cls(str(root), val_fraction=0.3)


def _find_any(root: Path, splits_dir: str | None, ending: str) -> Path:
    """The folder of the lists: the one that has one for the first class folder, or any at all."""
    places = [root, *(root / name for name in _FOLDERS), *(root.parent / n for n in _FOLDERS)]
    if splits_dir is not None:
        places = [existing_folder(splits_dir, "data.splits_dir")]
    for place in places:
        if place.is_dir() and any(place.glob(f"*{ending}")):
            return place
    names = subfolders(root)
    return find_lists(root, splits_dir, [f"{names[0] if names else '<class>'}{ending}"], _FOLDERS)
