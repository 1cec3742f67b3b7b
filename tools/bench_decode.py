"""Decoding a random clip: stfw against torchcodec, decord, OpenCV and plain PyAV.

All recipes read the same clips of the same files in turns within one process; CPU time of all
threads, medians over rounds, ratios to stfw. Next to the times stands whether the frames were those
asked for: the reference is decoding from the start and keeping what is wanted.

    python tools/bench_decode.py FOLDER [--rounds 15] [--json FILE]

Exits with 1, naming the row, where a target is missed. Rivals: pip install "stfw[bench]".
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

Recipe = Callable[[str, np.ndarray], np.ndarray]  # (path, frames_T) -> uint8 T H W 3
# row -> (rival, at most) over the geometric mean of the H.264 files, and on single files
H264_TARGETS = {"torchcodec": 0.85, "decord": 0.65}
FILE_TARGET = 0.95  # of the best exact rival, on any H.264 file
AVI_TARGETS = {"mm_test.avi": 1.05}


def stfw_recipe() -> Recipe:
    from stfw.video.decode import decode
    from stfw.video.probe import probe

    return lambda path, frames_T: decode(probe(path), frames_T)


def torchcodec_recipe() -> Recipe:
    from torchcodec.decoders import VideoDecoder

    def read(path: str, frames_T: np.ndarray) -> np.ndarray:
        decoder = VideoDecoder(path, dimension_order="NHWC", num_ffmpeg_threads=1)
        return decoder.get_frames_at(indices=frames_T.tolist()).data.numpy()

    return read


def decord_recipe() -> Recipe:
    import decord

    def read(path: str, frames_T: np.ndarray) -> np.ndarray:
        return decord.VideoReader(path, num_threads=1).get_batch(frames_T.tolist()).asnumpy()

    return read


def opencv_recipe() -> Recipe:
    import cv2

    cv2.setNumThreads(1)

    def read(path: str, frames_T: np.ndarray) -> np.ndarray:
        options = [cv2.CAP_PROP_N_THREADS, 1]
        capture = cv2.VideoCapture(path, cv2.CAP_FFMPEG, options)
        capture.set(cv2.CAP_PROP_POS_FRAMES, int(frames_T[0]))
        pictures, at = [], int(frames_T[0])
        for wanted in frames_T.tolist():
            while at < wanted:
                capture.grab()
                at += 1
            found, picture = capture.read()
            at += 1
            if not found:
                raise RuntimeError(f"frame {wanted} does not come")
            pictures.append(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))
        capture.release()
        return np.stack(pictures)

    return read


def naive_recipe() -> Recipe:
    """PyAV as tutorials show it: from the start up to the last frame, every one converted."""
    import av

    def read(path: str, frames_T: np.ndarray) -> np.ndarray:
        pictures = []
        with av.open(path) as container:
            for number, frame in enumerate(container.decode(video=0)):
                pictures.append(frame.to_ndarray(format="rgb24"))
                if number == frames_T[-1]:
                    break
        return np.stack([pictures[number] for number in frames_T])

    return read


RECIPES: dict[str, Callable[[], Recipe]] = {
    "stfw": stfw_recipe,
    "torchcodec": torchcodec_recipe,
    "decord": decord_recipe,
    "opencv": opencv_recipe,
    "naive": naive_recipe,
}


def load_recipes() -> dict[str, Recipe]:
    """Those that are installed; the others are named on standard error."""
    found = {}
    for name, make in RECIPES.items():
        try:
            found[name] = make()
        except (ImportError, OSError, RuntimeError) as error:
            print(f"without {name}: {str(error).strip().splitlines()[0]}", file=sys.stderr)
    return found


def all_frames(path: str) -> np.ndarray:
    """The whole video, decoded from the start in one thread."""
    import av

    pictures = []
    with av.open(path) as container:
        container.streams.video[0].thread_type = "NONE"
        for frame in container.decode(video=0):
            pictures.append(frame.to_ndarray(format="rgb24"))
    return np.stack(pictures)


def clips(num_frames: int, rounds: int, seed: int) -> list[np.ndarray]:
    """Random clips of 16 frames, every second one."""
    generator = np.random.default_rng(seed)
    starts = generator.integers(0, num_frames - 31 + 1, rounds)
    return [start + 2 * np.arange(16) for start in starts]


def measure(path: str, recipes: dict[str, Recipe], rounds: int) -> dict[str, dict[str, float]]:
    """Recipe -> median CPU ms per clip, and how many frames of all clips were wrong."""
    reference = all_frames(path)
    made = clips(len(reference), rounds + 1, seed=0)
    times: dict[str, list[float]] = {name: [] for name in recipes}
    wrong = dict.fromkeys(recipes, 0)
    failed: set[str] = set()
    order = list(recipes)
    for nth, frames_T in enumerate(made):
        for name in order[nth % len(order) :] + order[: nth % len(order)]:
            begin = time.process_time()
            try:
                got = recipes[name](path, frames_T)
            except Exception as error:
                if name not in failed:
                    reason = str(error).strip().splitlines()[:1]
                    print(f"{name} fails on {Path(path).name}: {reason}", file=sys.stderr)
                failed.add(name)
                continue
            if nth:  # the first round warms up
                times[name].append(1000 * (time.process_time() - begin))
            # a decoder of another build may round colours differently; another frame differs more
            gaps = np.abs(got.astype(np.int16) - reference[frames_T]).mean(axis=(1, 2, 3))
            wrong[name] += int((gaps > tolerance(reference)).sum())
    return {
        name: {"ms": statistics.median(times[name]), "wrong": wrong[name]}
        for name in recipes
        if name not in failed
    }


def tolerance(reference: np.ndarray) -> float:
    """A quarter of the typical change from one frame to the next, in grey levels."""
    step = np.abs(reference[1:].astype(np.int16) - reference[:-1]).mean(axis=(1, 2, 3))
    return float(max(0.02, 0.25 * np.median(step)))


def judge(rows: dict[str, dict[str, dict[str, float]]]) -> list[str]:
    """The targets that are missed, a line each; rivals that give wrong frames do not count."""
    missed = []
    h264 = [name for name in rows if name.endswith(".mp4")]
    for rival, most in H264_TARGETS.items():
        ratios = [
            rows[name]["stfw"]["ms"] / rows[name][rival]["ms"]
            for name in h264
            if rival in rows[name]
        ]
        if ratios:
            mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
            print(f"H.264, geometric mean: stfw / {rival} = {mean:.2f} (target {most})")
            if mean > most:
                missed.append(f"H.264 geometric mean against {rival}: {mean:.2f} > {most}")
    for name, row in rows.items():
        if row["stfw"]["wrong"]:
            missed.append(f"{name}: stfw gave {row['stfw']['wrong']} wrong frames")
        exact = {
            rival: values["ms"]
            for rival, values in row.items()
            if rival != "stfw" and not values["wrong"]
        }
        most = FILE_TARGET if name in h264 else AVI_TARGETS.get(name)
        if not exact or most is None:
            continue
        rival = min(exact, key=exact.__getitem__)
        ratio = row["stfw"]["ms"] / exact[rival]
        if ratio > most:
            missed.append(f"{name} against {rival}, the best exact rival: {ratio:.2f} > {most}")
    return missed


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="video files; .mp4 are taken for H.264")
    parser.add_argument("--rounds", type=int, default=15, help="clips per file")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    arguments = parser.parse_args()
    os.environ.setdefault("STFW_CACHE", tempfile.mkdtemp())
    importlib.import_module("torch").set_num_threads(1)
    recipes = load_recipes()
    rows = {}
    names = list(recipes)
    print("CPU ms per clip of 16 frames, interval 2, native size (ratio to stfw) [wrong frames]")
    print(f"{'file':<20}" + "".join(f"{name:>24}" for name in names))
    for path in sorted(arguments.folder.iterdir()):
        row = rows[path.name] = measure(str(path), recipes, arguments.rounds)
        cells = []
        for name in names:
            if name not in row:
                cells.append("fails")
                continue
            ratio = row[name]["ms"] / row["stfw"]["ms"]
            wrong = f" [{row[name]['wrong']}]" if row[name]["wrong"] else ""
            cells.append(f"{row[name]['ms']:.1f} ({ratio:.2f}){wrong}")
        print(f"{path.name:<20}" + "".join(f"{cell:>24}" for cell in cells), flush=True)
    missed = judge(rows)
    if arguments.json:
        arguments.json.write_text(json.dumps({"rows": rows, "missed": missed}, indent=2) + "\n")
    for line in missed:
        print(f"missed: {line}", file=sys.stderr)
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
