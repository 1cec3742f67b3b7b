"""What bfloat16, memory layout and ``torch.compile`` give: clips per second of a training step.

A step is forward, cross-entropy, backward and SGD on random clips of the preset's own training
size, already on the device. Each row is the median of several rounds of steps; the modes of a model
follow each other, as a compiled network cannot share the memory of another. MFU is the share of the
device's greatest rate: three forward passes' multiply-accumulates, two operations each, over the
data sheet's dense bfloat16 rate.

    python tools/bench_gpu.py
    python tools/bench_gpu.py --models c3d i3d --modes float32 bf16+last --json gpu.json

Exits with 1, naming the row, where a mode fails or no mode of a model is faster than float32 alone;
with 2 where there is no such device.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig

sys.path.insert(0, str(Path(__file__).parents[1]))

from stfw.assemble import assemble_network, prepare_network
from stfw.build import Build
from stfw.config import compose
from stfw.models.complexity import gmacs

NUM_CLASSES = 400
MODELS = {"c3d": 32, "i3d": 8, "r2plus1d_18": 32, "slowfast_r50": 16, "videomae_b": 16}  # batch
HALF = "trainer.precision=bf16-mixed"
LAST = "channels_last=true"
MODES = {
    "float32": [],
    "bf16": [HALF],
    "bf16+last": [HALF, LAST],
    "bf16+compile": [HALF, "compile=default"],
    "bf16+last+compile": [HALF, LAST, "compile=default"],
    "bf16+last+reduce-overhead": [HALF, LAST, "compile=reduce-overhead"],
    "bf16+last+max-autotune": [HALF, LAST, "compile=max-autotune"],
}
# TFLOP/s, dense, bfloat16: NVIDIA's data sheets (SXM where there are several)
PEAKS = {"H200": 989.4, "H100": 989.4, "A100": 312.0, "L40S": 362.0, "L4": 121.0, "A10G": 70.0}


class Step:
    """A network of a preset, random clips, and one training step."""

    def __init__(self, cfg: DictConfig, batch: int, device: torch.device) -> None:
        T, side = cfg.clip.num_frames, cfg.clip.crop_size
        torch.manual_seed(0)
        self.network: Any = assemble_network(cfg, Build(), NUM_CLASSES)
        self.gflops = 3 * 2 * gmacs(self.network, {"rgb": (1, 1, 1, 3, T, side, side)})
        self.network.to(device).train()
        prepare_network(cfg, self.network)
        self.optimizer = torch.optim.SGD(self.network.parameters(), lr=1e-3, momentum=0.9)
        self.batch = {"rgb": torch.randn(batch, 1, 1, 3, T, side, side, device=device)}
        self.target_B = torch.randint(NUM_CLASSES, (batch,), device=device)
        self.device, self.in_half = device, cfg.trainer.precision == "bf16-mixed"

    def __call__(self) -> None:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.in_half):
            logits_BK = self.network(self.batch)[:, 0]  # one view
            loss = torch.nn.functional.cross_entropy(logits_BK.float(), self.target_B)
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)

    def seconds(self, times: int) -> float:
        """Wall time of so many steps, between two synchronisations."""
        self._wait()
        begin = time.perf_counter()
        for _ in range(times):
            self()
        self._wait()
        return time.perf_counter() - begin

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()


def measure(
    words: list[str], batch: int, device: torch.device, rounds: int, steps: int
) -> dict[str, float]:
    """Clips per second, GFLOP of a clip's training step, seconds until the first step was done."""
    torch._dynamo.reset()
    step = Step(compose("train", words).cfg, batch, device)
    start = step.seconds(1)
    step.seconds(3)  # cuDNN's and CUDA graphs' own trials
    rates = [batch * steps / step.seconds(steps) for _ in range(rounds)]
    return {
        "clips_per_sec": statistics.median(rates),
        "gflops_per_clip": step.gflops,
        "first_step_sec": start,
        "batch": batch,
    }


def peak_of(device: torch.device) -> float | None:
    """TFLOP/s of the data sheet; None: not in the list."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else ""
    return next((peak for part, peak in PEAKS.items() if part in name), None)


def missed(rows: dict[str, dict[str, dict[str, Any]]]) -> list[str]:
    """Modes that failed, and models that no mode makes faster."""
    found = []
    for model, modes in rows.items():
        found += [
            f"{model} {mode}: {row['error']}" for mode, row in modes.items() if "error" in row
        ]
        rates = {mode: row["clips_per_sec"] for mode, row in modes.items() if "error" not in row}
        plain = rates.pop("float32", None)
        if plain is not None and rates and max(rates.values()) <= plain:
            found.append(f"{model}: no mode is faster than float32 alone")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="*", choices=list(MODELS), default=list(MODELS))
    parser.add_argument("--modes", nargs="*", choices=list(MODES), default=list(MODES))
    parser.add_argument("--batch", type=int, help="clips per step (each model's own)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=10, help="steps of a round (10)")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--peak", type=float, help="TFLOP/s of the device, for MFU")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        print("no GPU here: nothing was measured", file=sys.stderr)
        sys.exit(2)
    peak = arguments.peak or peak_of(device)
    rows: dict[str, dict[str, dict[str, Any]]] = {}
    print(f"{'model':14} {'mode':26} {'batch':>5} {'clips/s':>9} {'MFU':>6} {'first step':>10}")
    for model in arguments.models:
        rows[model] = {}
        for mode in arguments.modes:
            batch = arguments.batch or MODELS[model]
            words = [f"model={model}", *MODES[mode]]
            try:
                row: dict[str, Any] = dict(
                    measure(words, batch, device, arguments.rounds, arguments.steps)
                )
            except RuntimeError as error:  # out of memory, or the compiler's
                row = {"error": " ".join(str(error).split())[:200]}
                print(f"{model:14} {mode:26} failed: {row['error']}", flush=True)
            else:
                rate = row["clips_per_sec"] * row["gflops_per_clip"] / 1e3
                row["mfu"] = rate / peak if peak else None
                shown = f"{row['mfu']:6.1%}" if peak else "     -"
                print(
                    f"{model:14} {mode:26} {batch:5} {row['clips_per_sec']:9.1f} {shown} "
                    f"{row['first_step_sec']:9.1f}s",
                    flush=True,
                )
            rows[model][mode] = row
            gc.collect()
            if device.type == "cuda":
                torch.cuda.empty_cache()
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n")
    lines = missed(rows)
    for line in lines:
        print(f"missed: {line}")
    sys.exit(bool(lines))


if __name__ == "__main__":
    main()
