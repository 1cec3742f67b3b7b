"""The embedded data set: small real videos that stfw writes itself, once.

An honest test of video understanding: with ``cues=[motion]`` the classes differ only in how a shape
moves (see ``toy_render``); the sound and the object's colour then say nothing. Named in ``cues``
they are part of the label, and each becomes necessary. ``order`` is the order of an object's two
colours: what a bag of frames cannot tell.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cached_property
from pathlib import Path

import numpy as np

from stfw.data.toy_render import (
    APPEARANCES,
    DISTRACTOR_PLACES,
    MOTIONS,
    ORDERS,
    SAMPLE_RATE,
    SOUNDS,
    at_centre,
    distractor,
    draw_scene,
    in_turn,
    lit_for,
    render,
    sing,
)
from stfw.types import Record, Split, UserError, nearest

CUES = {"motion": MOTIONS, "sound": SOUNDS, "appearance": APPEARANCES, "order": ORDERS}
_ALWAYS = ("motion", "sound", "appearance")  # every video has them, at random where not named
VALUES_PER_CUE = {1: 8, 2: 4, 3: 2}  # so that there are 8, 16 or 8 classes
VERSION = 3  # of the drawing; part of the cache folder's name
_SPLITS: tuple[Split, ...] = ("train", "val", "test")


class Toy:
    """Writes its videos on first use and checks them on every later one.

    Args:
        root: where the videos are kept; None: the cache folder.
        cues: what makes the label: ``motion``, ``sound``, ``appearance``; or ``order`` instead of
            ``appearance``.
        num_train: videos of the training split.
        num_val: videos of the validation split.
        num_test: videos of the test split.
        num_frames: frames of a video.
        size: height and width in pixels, even.
        fps: frames per second.
        seed: of the data; splits draw from separate streams of it.
        num_cue_frames: the light is on for so many frames on end, and only then the object has
            the video's colour; in the dark it takes any colour, another in every frame. None: the
            light is always on.
        num_distractors: further objects near the frame's border, each with a motion of its own;
            the object itself then stays near the centre. At most 3.

    Raises:
        UserError: an unknown cue, or too few videos to have every class in every split.
    """

    def __init__(
        self,
        root: str | None = None,
        cues: Sequence[str] = ("motion",),
        num_train: int = 1200,
        num_val: int = 160,
        num_test: int = 240,
        num_frames: int = 32,
        size: int = 64,
        fps: int = 16,
        seed: int = 0,
        num_cue_frames: int | None = None,
        num_distractors: int = 0,
    ) -> None:
        self.cues = _checked_cues(cues)
        self.counts = {"train": num_train, "val": num_val, "test": num_test}
        self.num_frames, self.size, self.fps, self.seed = num_frames, size, fps, seed
        for split, count in self.counts.items():
            if count < 1:
                raise UserError(f"data.num_{split}={count} is below 1")
        if size % 2 or size < 16:
            raise UserError(f"data.size={size} must be even and at least 16")
        if num_cue_frames is not None and not 1 <= num_cue_frames <= num_frames:
            raise UserError(f"data.num_cue_frames={num_cue_frames}: give 1 to {num_frames}")
        if not 0 <= num_distractors <= len(DISTRACTOR_PLACES):
            raise UserError(
                f"data.num_distractors={num_distractors}: give 0 to {len(DISTRACTOR_PLACES)}"
            )
        self.num_cue_frames, self.num_distractors = num_cue_frames, num_distractors
        settings = [VERSION, self.cues, self.counts, num_frames, size, fps, seed]
        if num_cue_frames is not None or num_distractors:
            settings += [num_cue_frames, num_distractors]
        digest = hashlib.sha256(json.dumps(settings).encode()).hexdigest()[:12]
        self.root = Path(root).expanduser() if root else _cache_dir() / "toy" / digest
        self.digest = digest

    @cached_property
    def classes(self) -> list[str]:
        """``right``, or ``right+rising`` where two cues make the label."""
        values = [CUES[cue][: VALUES_PER_CUE[len(self.cues)]] for cue in self.cues]
        names = [""]
        for options in values:
            names = [f"{name}+{option}".lstrip("+") for name in names for option in options]
        return names

    def records(self, split: Split) -> list[Record]:
        """The videos of a split, balanced over the classes; writes them where they are missing."""
        self._ready  # noqa: B018
        return [
            Record(str(name.relative_to(self.root)), str(name.absolute()), label)
            for name, label, _ in self._jobs(split)
        ]

    @classmethod
    def write_toy(cls, root: Path) -> Toy:
        """Eight tiny training videos and as many to validate and test, below ``root``."""
        toy = cls(str(root), num_train=8, num_val=8, num_test=8, num_frames=8, size=32)
        toy.records("train")
        return toy

    @cached_property
    def _ready(self) -> bool:
        manifest = self.root / f"manifest_{self.digest}.json"
        known = _read_manifest(manifest)
        jobs = [job for split in _SPLITS for job in self._jobs(split)]
        missing = [job for job in jobs if not _is_whole(job[0], known.get(self._key(job[0])))]
        if missing:
            try:
                self._write(missing)
            except OSError as error:
                raise UserError(
                    f"{self.root}: the toy videos cannot be written ({error.strerror}); choose "
                    "another folder: data.root=..., or set STFW_CACHE"
                ) from error
            sizes = {self._key(path): path.stat().st_size for path, _, _ in jobs}
            part = manifest.with_name(f"{manifest.name}.{os.getpid()}.part")
            part.write_text(json.dumps(sizes))
            os.replace(part, manifest)
        return True

    def _jobs(self, split: Split) -> list[tuple[Path, int, tuple[int, ...]]]:
        """(file, label, seed) of every video of a split."""
        order = _SPLITS.index(split)
        jobs: list[tuple[Path, int, tuple[int, ...]]] = []
        for number in range(self.counts[split]):
            label = number % len(self.classes)
            path = self.root / split / self.classes[label] / f"{number:05d}.mp4"
            jobs.append((path, label, (self.seed, order, number)))
        return jobs

    def _key(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()

    def _write(self, jobs: Sequence[tuple[Path, int, tuple[int, ...]]]) -> None:
        for folder in {path.parent for path, _, _ in jobs}:
            folder.mkdir(parents=True, exist_ok=True)
        variant = (self.num_cue_frames, self.num_distractors)
        settings = (self.cues, self.num_frames, self.size, self.fps, *variant)
        tasks = [(path, self.classes[label], seed, *settings) for path, label, seed in jobs]
        num_processes = min(8, os.cpu_count() or 1, len(tasks))
        note = f"writing {len(tasks)} toy videos to {self.root}"
        if num_processes == 1 or len(tasks) < 32:
            _show(map(_write_clip, tasks), len(tasks), note)
            return
        # fork: a script without a __main__ guard may call this, and no GPU is in use yet
        method = "fork" if sys.platform == "linux" else "spawn"
        context = multiprocessing.get_context(method)
        with ProcessPoolExecutor(num_processes, mp_context=context) as pool:
            _show(pool.map(_write_clip, tasks, chunksize=8), len(tasks), note)


def factors(class_name: str, cues: Sequence[str], generator: np.random.Generator) -> dict[str, str]:
    """Cue -> value: those in the class name as it says, the others at random."""
    named = dict(zip(cues, class_name.split("+"), strict=True))
    return {cue: named.get(cue, str(generator.choice(CUES[cue]))) for cue in _ALWAYS} | named


def _write_clip(
    task: tuple[Path, str, tuple[int, ...], list[str], int, int, int, int | None, int],
) -> None:
    from stfw.video.writer import write_video

    path, class_name, seed, cues, num_frames, size, fps, num_cue_frames, num_distractors = task
    generator = np.random.default_rng(np.random.SeedSequence(seed))
    shown = factors(class_name, cues, generator)
    scene = draw_scene(shown["motion"], shown["appearance"], num_frames, size, generator)
    audio_L = sing(shown["sound"], num_frames / fps, generator)
    if num_distractors:
        scene = at_centre(scene, size, generator)
    if "order" in shown:
        scene = in_turn(scene, shown["order"], generator)
    if num_cue_frames is not None:
        scene = lit_for(scene, num_cue_frames, generator)
    others = [distractor(nth, num_frames, size, generator) for nth in range(num_distractors)]
    options = {"crf": "18", "preset": "veryfast", "tune": "fastdecode", "bf": "0"}
    write_video(path, render(scene, *others), fps, audio_L, SAMPLE_RATE, options=options)


def _show(done: Iterable[None], total: int, note: str) -> None:
    """Runs through an iterator with a progress bar on a terminal, a line elsewhere."""
    if not sys.stderr.isatty():
        print(note, file=sys.stderr, flush=True)
        for _ in done:
            pass
        return
    from rich.console import Console
    from rich.progress import track

    for _ in track(done, note, total=total, console=Console(stderr=True)):
        pass


def _checked_cues(cues: Sequence[str]) -> list[str]:
    chosen = list(cues)
    for cue in chosen:
        if cue not in CUES:
            hint = nearest(str(cue), CUES) or f"; there are: {', '.join(CUES)}"
            raise UserError(f"data.cues: there is no cue '{cue}'{hint}")
    if not chosen or len(set(chosen)) != len(chosen):
        raise UserError(f"data.cues={chosen} must name at least one cue, each once")
    if {"appearance", "order"} <= set(chosen):
        raise UserError(f"data.cues={chosen}: appearance and order are both the object's colour")
    return chosen


def _read_manifest(path: Path) -> dict[str, int]:
    try:
        known = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _is_whole(path: Path, size: int | None) -> bool:
    """Files appear under their name only when whole; a size that changed since is damage."""
    try:
        found = path.stat().st_size
    except OSError:
        return False
    return found > 0 and size in (None, found)


def _cache_dir() -> Path:
    from stfw.video.probe import cache_dir

    return cache_dir()
