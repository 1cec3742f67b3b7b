"""A whole training sample through two workers: stfw against PyTorchVideo, MMAction2 and others.

Every pipeline draws a random clip of 16 frames (interval 2), crops, resizes and mirrors it at
random, and hands it over a DataLoader with two workers. CPU time of the workers per clip, medians
over rounds in which the pipelines take turns, ratios to stfw; the same for the main process, which
normalises (on a GPU that work is the device's). Rivals run their own readers and transforms.

    python tools/bench_loader.py FOLDER [--rounds 5] [--clips 48] [--json FILE]

Exits with 1, naming the row, where a target is missed. Rivals: pip install "stfw[bench]"; of
PyTorchVideo and MMAction2 whatever can be imported takes part.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
import types
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, default_collate

warnings.filterwarnings("ignore")
MEAN, STD = torch.tensor([0.45] * 3), torch.tensor([0.225] * 3)
TARGETS = {"pytorchvideo": 0.55, "mmaction2": 0.75}
DECODE_TARGET = 1.5  # worker CPU over that of decoding the same frames alone


class Geometry:
    """What a file is cut to: UCF-like files as C3D does, others as SlowFast does."""

    def __init__(self, path: str) -> None:
        small = path.endswith(".avi")
        self.short_side, self.crop = (128, 112) if small else (256, 224)


class Pipeline(Dataset[Tensor]):
    """One file as many samples.

    Args:
        sample: (path, random generator) -> clip, C T H W.
        path: the file.
        num_clips: samples of an epoch.
    """

    def __init__(self, sample: Callable[[str, Any], Tensor], path: str, num_clips: int) -> None:
        self.sample, self.path, self.num_clips = sample, path, num_clips

    def __len__(self) -> int:
        return self.num_clips

    def __getitem__(self, index: int) -> Tensor:
        torch.manual_seed(index)
        np.random.seed(index)  # rivals draw from the global generator
        return self.sample(self.path, np.random.default_rng(index))


def collate(samples: list[Tensor]) -> tuple[Tensor, int, float]:
    """The batch, stacked into shared memory, and how much CPU its worker has spent so far."""
    return default_collate(samples), os.getpid(), time.process_time()


def stfw_pipeline(geometry: Geometry) -> Callable[[str, Any], Tensor]:
    from stfw.data.sample import Loading, load_sample
    from stfw.data.streams.rgb import RGB
    from stfw.data.streams.stream import Stream
    from stfw.sampling.clip_sampler import ClipSampler
    from stfw.transforms.clip import HorizontalFlip, RandomResizedCrop
    from stfw.transforms.pipeline import ClipPipeline
    from stfw.types import Record
    from stfw.video.decode import decode

    steps = {"crop": RandomResizedCrop(geometry.crop), "flip": HorizontalFlip(0.5)}
    sampler = ClipSampler(16, 2, crop_size=geometry.crop, short_side=geometry.short_side)
    loading = Loading(
        sampler, {"rgb": Stream(RGB())}, ClipPipeline(steps), decode, geometry.short_side
    )

    def sample(path: str, generator: Any) -> Tensor:
        return load_sample(Record(path, path, 0), loading, generator)["rgb"][0, 0]

    return sample


def decode_pipeline(geometry: Geometry) -> Callable[[str, Any], Tensor]:
    """Our decoding alone, of the same frames at the same size: what a sample costs at least."""
    from stfw.sampling.crops import resized_size
    from stfw.video.decode import decode
    from stfw.video.probe import probe

    def sample(path: str, generator: Any) -> Tensor:
        index = probe(path)
        start = generator.integers(0, index.info.num_frames - 30)
        size = resized_size(index.info.height, index.info.width, geometry.short_side)
        frames = decode(index, start + 2 * np.arange(16), size)
        x_THWC = torch.from_numpy(frames[:, :8, :8].copy())  # next to nothing to hand over
        return x_THWC.permute(3, 0, 1, 2)

    return sample


def torchcodec_pipeline(geometry: Geometry) -> Callable[[str, Any], Tensor]:
    from torchcodec.decoders import VideoDecoder
    from torchvision.transforms import v2

    transform = v2.Compose(
        [
            v2.RandomResizedCrop(geometry.crop, (0.35, 1.0), antialias=True),
            v2.RandomHorizontalFlip(),
        ]
    )

    def sample(path: str, generator: Any) -> Tensor:
        decoder = VideoDecoder(path, num_ffmpeg_threads=1)
        start = int(generator.integers(0, len(decoder) - 31))
        frames = decoder.get_frames_at(indices=[start + 2 * i for i in range(16)]).data
        return transform(frames).transpose(0, 1).contiguous()

    return sample


def pytorchvideo_pipeline(geometry: Geometry) -> Callable[[str, Any], Tensor]:
    """Its own reader and transforms; one import of it needs a module that torchvision dropped."""
    import torchvision.transforms.functional as functional

    shim: Any = types.ModuleType("torchvision.transforms.functional_tensor")
    shim.rgb_to_grayscale = functional.rgb_to_grayscale
    sys.modules.setdefault("torchvision.transforms.functional_tensor", shim)
    from pytorchvideo.data.encoded_video import EncodedVideo
    from pytorchvideo.transforms import Normalize, RandomShortSideScale, UniformTemporalSubsample
    from torchvision.transforms import Compose, RandomCrop, RandomHorizontalFlip

    low, high = geometry.short_side, geometry.short_side * 5 // 4
    transform = Compose(
        [
            UniformTemporalSubsample(16),
            lambda x: x / 255.0,
            Normalize(MEAN.tolist(), STD.tolist()),
            RandomShortSideScale(low, high),
            RandomCrop(geometry.crop),
            RandomHorizontalFlip(),
        ]
    )

    def sample(path: str, generator: Any) -> Tensor:
        video = EncodedVideo.from_path(path, decode_audio=False)
        rate = 25 if path.endswith(".avi") else 30
        seconds = 32 / rate
        begin = generator.uniform(0, float(video.duration) - seconds)
        return transform(video.get_clip(begin, begin + seconds)["video"])

    return sample


def mmaction2_pipeline(geometry: Geometry) -> Callable[[str, Any], Tensor]:
    from mmaction.datasets import transforms as mm

    steps = [
        mm.DecordInit(num_threads=1),
        mm.SampleFrames(clip_len=16, frame_interval=2, num_clips=1),
        mm.DecordDecode(),
        mm.Resize(scale=(-1, geometry.short_side)),
        mm.RandomResizedCrop(),
        mm.Resize(scale=(geometry.crop, geometry.crop), keep_ratio=False),
        mm.Flip(flip_ratio=0.5),
        mm.FormatShape(input_format="NCTHW"),
    ]

    def sample(path: str, generator: Any) -> Tensor:
        results: Any = {"filename": path, "start_index": 0, "modality": "RGB"}
        for step in steps:
            results = step(results)
        return torch.from_numpy(results["imgs"][0])

    return sample


def naive_pipeline(geometry: Geometry) -> Callable[[str, Any], Tensor]:
    """PyAV as tutorials show it, float in the worker."""
    import av
    from torchvision.transforms import v2

    transform = v2.Compose(
        [
            v2.RandomResizedCrop(geometry.crop, (0.35, 1.0), antialias=True),
            v2.RandomHorizontalFlip(),
        ]
    )

    def sample(path: str, generator: Any) -> Tensor:
        pictures = []
        with av.open(path) as container:
            start = int(generator.integers(0, container.streams.video[0].frames - 31))
            for number, frame in enumerate(container.decode(video=0)):
                pictures.append(frame.to_ndarray(format="rgb24"))
                if number == start + 30:
                    break
        x_TCHW = torch.from_numpy(np.stack(pictures[start::2])).permute(0, 3, 1, 2) / 255.0
        return ((transform(x_TCHW) - MEAN.view(3, 1, 1)) / STD.view(3, 1, 1)).transpose(0, 1)

    return sample


PIPELINES: dict[str, Callable[[Geometry], Callable[[str, Any], Tensor]]] = {
    "stfw": stfw_pipeline,
    "decode": decode_pipeline,
    "torchcodec": torchcodec_pipeline,
    "mmaction2": mmaction2_pipeline,
    "pytorchvideo": pytorchvideo_pipeline,
    "naive": naive_pipeline,
}


def one_round(sample: Callable[[str, Any], Tensor], path: str, clips: int) -> tuple[float, float]:
    """CPU ms per clip: of the workers, and of this process with its normalisation."""
    loader = DataLoader(
        Pipeline(sample, path, clips),
        batch_size=4,
        num_workers=2,
        collate_fn=collate,
        worker_init_fn=lambda _: torch.set_num_threads(1),
    )
    spent: dict[int, list[float]] = {}
    main = 0.0
    for x_BCTHW, worker, seconds in loader:
        spent.setdefault(worker, []).append(seconds)
        begin = time.process_time()
        if x_BCTHW.dtype == torch.uint8:
            x_BCTHW = x_BCTHW.float()
            x_BCTHW = (x_BCTHW / 255 - MEAN.view(3, 1, 1, 1)) / STD.view(3, 1, 1, 1)
        main += time.process_time() - begin
    # from the end of each worker's first batch to the end of its last
    cpu = sum(rows[-1] - rows[0] for rows in spent.values())
    batches = sum(len(rows) - 1 for rows in spent.values())
    return 1000 * cpu / (4 * batches), 1000 * main / clips


def measure(path: str, rounds: int, clips: int) -> dict[str, dict[str, float]]:
    """Pipeline -> medians of CPU ms per clip in the workers and in the main process."""
    samples: dict[str, Callable[[str, Any], Tensor]] = {}
    for name, make in PIPELINES.items():
        try:
            samples[name] = make(Geometry(path))
            samples[name](path, np.random.default_rng(0))
        except Exception as error:  # a rival that does not run is told, not hidden
            samples.pop(name, None)
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            print(f"{name} does not run on {Path(path).name}: {reason}", file=sys.stderr)
    figures: dict[str, list[tuple[float, float]]] = {name: [] for name in samples}
    order = list(samples)
    for nth in range(rounds):
        for name in order[nth % len(order) :] + order[: nth % len(order)]:
            figures[name].append(one_round(samples[name], path, clips))
    return {
        name: {
            "worker_ms": statistics.median(worker for worker, _ in rows),
            "main_ms": statistics.median(main for _, main in rows),
        }
        for name, rows in figures.items()
    }


def judge(file: str, row: dict[str, dict[str, float]]) -> list[str]:
    """The targets that are missed, a line each."""
    ours, missed = row["stfw"]["worker_ms"], []
    for rival, most in TARGETS.items():
        if rival in row and ours / row[rival]["worker_ms"] > most:
            ratio = ours / row[rival]["worker_ms"]
            missed.append(f"{file} against {rival}: {ratio:.2f} > {most}")
    ratio = ours / row["decode"]["worker_ms"]
    if ratio > DECODE_TARGET:
        missed.append(f"{file}: {ratio:.2f} times our decoding alone > {DECODE_TARGET}")
    return missed


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="video files; .avi are cut to 112, others to 224")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clips", type=int, default=48, help="clips per round and pipeline")
    parser.add_argument("--files", nargs="*", help="names of files; default: all")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    arguments = parser.parse_args()
    os.environ.setdefault("STFW_CACHE", tempfile.mkdtemp())
    torch.set_num_threads(1)
    rows: dict[str, dict[str, dict[str, float]]] = {}
    missed = []
    print("CPU ms per clip in the workers (stfw / this) + in the main process")
    for path in sorted(arguments.folder.iterdir()):
        if arguments.files and path.name not in arguments.files:
            continue
        row = rows[path.name] = measure(str(path), arguments.rounds, arguments.clips)
        print(path.name)
        for name, values in row.items():
            ratio = row["stfw"]["worker_ms"] / values["worker_ms"]
            print(
                f"  {name:<14}{values['worker_ms']:8.1f} ({ratio:.2f}) + {values['main_ms']:.1f}",
                flush=True,
            )
        missed += judge(path.name, row)
    if arguments.json:
        arguments.json.write_text(json.dumps({"rows": rows, "missed": missed}, indent=2) + "\n")
    for line in missed:
        print(f"missed: {line}", file=sys.stderr)
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
