"""Forward and backward time of stfw's networks against the reference implementations.

Both read the same random clip in turns within one process; CPU time on one thread (on a GPU: wall
time between synchronisations). Times are medians; a ratio is the median of each round's ratio, so
that a machine that slows down meanwhile slows both. ``direct`` is the network's own encoders, heads
and fusion called by hand, without the chain: what the slots cost.

    python tools/bench_model.py
    python tools/bench_model.py --models r3d_18 s3d --rounds 9 --json models.json

Exits with 1, naming the row, where a network takes more than 1.05 of its reference's time, or the
chain more than 1.02 of its parts'. References that are not installed are named and left out; I3D,
C3D and TSM have none.
"""

from __future__ import annotations

import argparse
import importlib
import json
import statistics
import sys
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parents[1]))

MOST = {"reference": 1.05, "direct": 1.02}
NUM_CLASSES = 400


def torchvision_video(name: str) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        import torchvision

        return getattr(torchvision.models.video, name)(num_classes=NUM_CLASSES)

    return make


def pytorchvideo_hub(name: str) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        importlib.import_module("pytorchvideo")
        from tests.parity.reference import pytorchvideo

        hub = pytorchvideo("pytorchvideo.models.hub")
        return getattr(hub, name)(pretrained=False)

    return make


class Logits(nn.Module):
    """A network of transformers, which takes B T C H W and gives more than logits."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x_BCTHW: Tensor) -> Tensor:
        return self.net(x_BCTHW.transpose(1, 2)).logits


def videomae() -> nn.Module:
    from transformers import VideoMAEConfig, VideoMAEForVideoClassification

    return Logits(VideoMAEForVideoClassification(VideoMAEConfig(num_labels=NUM_CLASSES)))


def timesformer() -> nn.Module:
    from transformers import TimesformerConfig, TimesformerForVideoClassification

    return Logits(TimesformerForVideoClassification(TimesformerConfig(num_labels=NUM_CLASSES)))


def csn() -> nn.Module:
    """As its hub's, but for an average over whatever is left of the clip."""
    importlib.import_module("pytorchvideo")
    from tests.parity.reference import pytorchvideo

    return pytorchvideo("pytorchvideo.models.csn").create_csn(
        model_depth=101,
        model_num_class=NUM_CLASSES,
        stem_pool=nn.MaxPool3d,
        head_pool=nn.AdaptiveAvgPool3d,
        head_activation=None,
        dropout_rate=0.5,
    )


class Frames(nn.Module):
    """timm's own network on the frames as a batch, and the mean of its logits."""

    def __init__(self, name: str) -> None:
        super().__init__()
        import timm

        self.net = timm.create_model(name, num_classes=NUM_CLASSES)

    def forward(self, x_BCTHW: Tensor) -> Tensor:
        frames_FCHW = x_BCTHW.transpose(1, 2).flatten(0, 1)
        return self.net(frames_FCHW).unflatten(0, (len(x_BCTHW), -1)).mean(dim=1)


class TwoPaths(nn.Module):
    """PyTorchVideo's SlowFast takes its two paths apart."""

    def __init__(self, net: nn.Module, alpha: int = 4) -> None:
        super().__init__()
        self.net, self.alpha = net, alpha

    def forward(self, x_BCTHW: Tensor) -> Tensor:
        T = x_BCTHW.shape[2]
        slow = torch.linspace(0, T - 1, T // self.alpha).long()
        return self.net([x_BCTHW[:, :, slow], x_BCTHW])


@dataclass(frozen=True)
class Row:
    """What a preset is measured on.

    Attributes:
        reference: makes the other network, of the first stream; None: there is none.
        clip: T, H, W.
        streams: stream -> its channels and frames; empty: colour, T frames.
        frames: whether the frames are clips of one frame (TSN).
    """

    reference: Callable[[], nn.Module] | None
    clip: tuple[int, int, int]
    streams: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    frames: bool = False


ROWS: dict[str, Row] = {
    "r3d_18": Row(torchvision_video("r3d_18"), (16, 112, 112)),
    "mc3_18": Row(torchvision_video("mc3_18"), (16, 112, 112)),
    "r2plus1d_18": Row(torchvision_video("r2plus1d_18"), (16, 112, 112)),
    "s3d": Row(torchvision_video("s3d"), (16, 224, 224)),
    "mvit_v2_s": Row(torchvision_video("mvit_v2_s"), (16, 224, 224)),
    "swin3d_t": Row(torchvision_video("swin3d_t"), (16, 224, 224)),
    "slowfast_r50": Row(lambda: TwoPaths(pytorchvideo_hub("slowfast_r50")()), (32, 256, 256)),
    "slowonly_r50": Row(pytorchvideo_hub("slow_r50"), (8, 256, 256)),
    "x3d_s": Row(pytorchvideo_hub("x3d_s"), (13, 160, 160)),
    "csn_r101": Row(csn, (8, 224, 224)),  # a quarter of its frames, for the time it takes
    "videomae_b": Row(videomae, (16, 224, 224)),
    "timesformer": Row(timesformer, (8, 224, 224)),
    "tsn": Row(lambda: Frames("resnet50"), (8, 224, 224), frames=True),
    "two_stream": Row(None, (10, 224, 224), {"rgb": (3, 1), "flow": (2, 10)}),
}


def ours(preset: str) -> Any:
    """The preset's composed network."""
    from stfw.assemble import assemble_network
    from stfw.build import Build
    from stfw.config import compose

    return assemble_network(compose("train", [f"model={preset}"]).cfg, Build(), NUM_CLASSES)


class Direct(nn.Module):
    """Encoders, means over their steps, fusion and heads, without the chain's slots."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.encoders, self.head, self.fusion = network.encoders, network.head, network.fusion

    def forward(self, clips: Mapping[str, Tensor]) -> Tensor:
        features = {name: self.encoders[name](x).mean(dim=1) for name, x in clips.items()}
        if len(features) == 1:
            return self.head(*features.values())
        return self.fusion({name: self.head[name](x) for name, x in features.items()}, {})


def inputs(row: Row, batch: int, stacked: Collection[str], device: torch.device) -> dict[str, Any]:
    """One random batch as each of the networks takes it: ours, direct, reference."""
    T, H, W = row.clip
    shapes = row.streams or {"rgb": (3, T)}
    clips = {
        name: torch.randn(batch, C, frames, H, W, device=device)
        for name, (C, frames) in shapes.items()
    }
    whole = {
        name: x.transpose(1, 2)[:, None, :, :, None] if row.frames else x[:, None, None]
        for name, x in clips.items()
    }
    folded = {
        name: x.flatten(1, 2).unsqueeze(2) if name in stacked else x for name, x in clips.items()
    }
    return {"ours": whole, "direct": folded, "reference": next(iter(clips.values()))}


def step(network: nn.Module, given: Any, device: torch.device) -> float:
    """Seconds of one forward and backward pass."""
    network.zero_grad(set_to_none=True)
    on_gpu = device.type == "cuda"
    if on_gpu:
        torch.cuda.synchronize()
    begin = time.perf_counter() if on_gpu else time.process_time()
    network(given).square().mean().backward()
    if on_gpu:
        torch.cuda.synchronize()
    return (time.perf_counter() if on_gpu else time.process_time()) - begin


def measure(preset: str, rounds: int, batch: int, device: torch.device) -> dict[str, list[float]]:
    """ms per clip, round by round: ours, the parts by hand, the reference where it is installed."""
    row = ROWS[preset]
    network = ours(preset).to(device).train()
    given = inputs(row, batch, network.stacked, device)
    parts: dict[str, tuple[nn.Module, Any]] = {
        "ours": (network, given["ours"]),
        "direct": (Direct(network), given["direct"]),
    }
    if row.reference is not None:
        try:
            parts["reference"] = (row.reference().to(device).train(), given["reference"])
        except ImportError as error:
            print(f"{preset}: no reference here ({error})", file=sys.stderr)
    times: dict[str, list[float]] = {name: [] for name in parts}
    names = list(parts)
    for nth in range(rounds + 1):
        for name in names[nth % len(names) :] + names[: nth % len(names)]:
            seconds = step(*parts[name], device)
            if nth:  # the first round warms up
                times[name].append(1000 * seconds / batch)
    return times


def ratio(row: Mapping[str, list[float]], name: str) -> float:
    """Ours to this one: the median over the rounds."""
    return statistics.median(a / b for a, b in zip(row["ours"], row[name], strict=True))


def judge(preset: str, against: Mapping[str, float]) -> list[str]:
    """The ratios of a row that miss their target, by name."""
    return [
        f"{preset} against {name}: {value:.3f} > {MOST[name]}"
        for name, value in against.items()
        if value > MOST[name]
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="*", choices=list(ROWS), default=list(ROWS))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    # more threads wait for each other by spinning, which CPU time cannot tell from work
    parser.add_argument("--threads", type=int, default=1, help="on the CPU (1)")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    torch.set_num_threads(arguments.threads)
    rows, missed = {}, []
    print("ms per clip, forward and backward (ours / this)")
    for preset in arguments.models:
        times = measure(preset, arguments.rounds, arguments.batch, device)
        medians = {name: statistics.median(values) for name, values in times.items()}
        against = {name: ratio(times, name) for name in times if name != "ours"}
        rows[preset] = {"ms": medians, "ratio": against}
        shown = "   ".join(
            f"{name} {medians[name]:.1f} ({value:.3f})" for name, value in against.items()
        )
        print(f"{preset:14} ours {medians['ours']:8.1f}   {shown}", flush=True)
        missed += judge(preset, against)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n")
    for line in missed:
        print(f"missed: {line}")
    sys.exit(bool(missed))


if __name__ == "__main__":
    main()
