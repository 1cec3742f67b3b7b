"""Forward and backward time of stfw's networks against the reference implementations.

Both read the same random clip in turns within one process; CPU time on one thread (on a GPU: wall
time between synchronisations). Times are medians; a ratio is the median of each round's ratio, so
that a machine that slows down meanwhile slows both. ``direct`` is the network's own encoder and a
linear layer, without the chain: what the slots cost.

    python tools/bench_model.py
    python tools/bench_model.py --models r3d_18 s3d --rounds 9 --json models.json

Exits with 1, naming the row, where a network takes more than 1.05 of its reference's time, or the
chain more than 1.02 of its encoder's. References that are not installed are named and left out.
"""

from __future__ import annotations

import argparse
import importlib
import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping
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


def videomae() -> nn.Module:
    from transformers import VideoMAEConfig, VideoMAEForVideoClassification

    net = VideoMAEForVideoClassification(VideoMAEConfig(num_labels=NUM_CLASSES))

    class Logits(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, x_BCTHW: Tensor) -> Tensor:
            return self.net(x_BCTHW.transpose(1, 2)).logits

    return Logits()


class TwoPaths(nn.Module):
    """PyTorchVideo's SlowFast takes its two paths apart."""

    def __init__(self, net: nn.Module, alpha: int = 4) -> None:
        super().__init__()
        self.net, self.alpha = net, alpha

    def forward(self, x_BCTHW: Tensor) -> Tensor:
        T = x_BCTHW.shape[2]
        slow = torch.linspace(0, T - 1, T // self.alpha).long()
        return self.net([x_BCTHW[:, :, slow], x_BCTHW])


# preset -> reference, clip (T, H, W)
ROWS: dict[str, tuple[Callable[[], nn.Module], tuple[int, int, int]]] = {
    "r3d_18": (torchvision_video("r3d_18"), (16, 112, 112)),
    "mc3_18": (torchvision_video("mc3_18"), (16, 112, 112)),
    "r2plus1d_18": (torchvision_video("r2plus1d_18"), (16, 112, 112)),
    "s3d": (torchvision_video("s3d"), (16, 224, 224)),
    "mvit_v2_s": (torchvision_video("mvit_v2_s"), (16, 224, 224)),
    "swin3d_t": (torchvision_video("swin3d_t"), (16, 224, 224)),
    "slowfast_r50": (
        lambda: TwoPaths(pytorchvideo_hub("slowfast_r50")()),
        (32, 256, 256),
    ),
    "slowonly_r50": (pytorchvideo_hub("slow_r50"), (8, 256, 256)),
    "x3d_s": (pytorchvideo_hub("x3d_s"), (13, 160, 160)),
    "videomae_b": (videomae, (16, 224, 224)),
}


def ours(preset: str) -> nn.Module:
    """The preset's composed network."""
    from stfw.assemble import Build, assemble_network
    from stfw.config import compose

    return assemble_network(compose("train", [f"model={preset}"]).cfg, Build(), NUM_CLASSES)


class Direct(nn.Module):
    """An encoder and a linear layer, without the chain's slots."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        (self.encoder,) = network.encoders.values()
        self.head = network.head

    def forward(self, x_BCTHW: Tensor) -> Tensor:
        return self.head(self.encoder(x_BCTHW).mean(dim=1))


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
    """ms per clip, round by round: ours, the encoder alone, the reference where it is installed."""
    reference, (T, H, W) = ROWS[preset]
    x_BCTHW = torch.randn(batch, 3, T, H, W, device=device)
    network = ours(preset).to(device).train()
    parts: dict[str, tuple[nn.Module, Any]] = {
        "ours": (network, {"rgb": x_BCTHW[:, None, None]}),
        "direct": (Direct(network), x_BCTHW),
    }
    try:
        parts["reference"] = (reference().to(device).train(), x_BCTHW)
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
        missed += [
            f"{preset} against {name}: {value:.3f} > {MOST[name]}"
            for name, value in against.items()
            if value > MOST[name]
        ]
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n")
    for line in missed:
        print(f"missed: {line}")
    sys.exit(bool(missed))


if __name__ == "__main__":
    main()
