"""The page of ``stfw profile``: shares of the time, and one sentence of advice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stfw.callbacks.throughput import speed
from stfw.commands import stages as s
from stfw.commands.stages import PARTS, STAGES
from stfw.data.datamodule import num_cores


@dataclass(frozen=True)
class Profile:
    """What was seen.

    Attributes:
        num_steps: batches that were timed.
        num_clips: of each.
        num_workers: loading processes.
        on_gpu: whether a GPU computed.
        stages: seconds by stage, over all timed steps.
        wall_sec: of the timed steps.
        parts: seconds of reading one sample, by part.
        operators: (name, share of all operators, ms a step, calls a step), the longest first.
    """

    num_steps: int
    num_clips: int
    num_workers: int
    on_gpu: bool
    stages: Mapping[str, float]
    wall_sec: float
    parts: Mapping[str, float]
    operators: Sequence[tuple[str, float, float, float]]

    def share(self, *stages: str) -> float:
        """Of the wall time, 0..1."""
        return sum(self.stages.get(stage, 0.0) for stage in stages) / self.wall_sec


def advice(seen: Profile, cfg: Any) -> str:
    """One sentence on what takes most, with the override to try."""
    wait = seen.share(s.WAIT)
    network = seen.share(s.FORWARD, s.BACKWARD, s.LOSS)
    apart = {
        "the batch's way to the device": (seen.share(s.MOVE), "data.batch_size={less}"),
        "the transform of the batch": (seen.share(s.TRANSFORM), "transform=crop"),
        "the optimizer": (seen.share(s.OPTIMIZER), "trainer.accumulate_grad_batches=4"),
        "what surrounds the step": (seen.share(s.CALLBACKS, s.LOOP), "data.batch_size={more}"),
    }
    size = int(cfg.data.batch_size)
    if wait >= max(0.2, *(share for share, _ in apart.values())):
        return f"{100 * wait:.0f}% of the time goes to waiting for data: {_reading(seen, cfg)}"
    what, (share, override) = max(apart.items(), key=lambda item: item[1][0])
    if share > max(0.2, network / 2):
        override = override.format(less=max(1, size // 2), more=size * 2)
        return f"{100 * share:.0f}% of the time goes to {what}: try {override}"
    if seen.on_gpu and cfg.trainer.precision == "32-true":
        way = "try trainer.precision=bf16-mixed"
    elif cfg.compile is None:
        way = "try compile=default, or fewer or smaller frames (clip.num_frames, clip.crop_size)"
    else:
        way = "try fewer or smaller frames (clip.num_frames, clip.crop_size)"
    return f"the network itself takes {100 * network:.0f}% of the time: {way}"


def _reading(seen: Profile, cfg: Any) -> str:
    """What to try where reading is too slow."""
    if seen.num_workers == 0 and num_cores() > 1:
        return "try data.num_workers=1 or more; stfw tune loader finds how many"
    longest = max(seen.parts, key=lambda part: seen.parts[part])
    share = 100 * seen.parts[longest] / sum(seen.parts.values())
    ways = {
        s.DECODE: "stfw data prepare makes files that decode faster, decoder=cached keeps frames",
        s.SCALE: "stfw data prepare makes files that need less of it",
        s.CLIP: "try transform=crop, the cheapest",
        s.STREAMS: "stfw data flow reckons flow once, before training",
    }
    way = ways.get(longest, "")
    return (
        f"{share:.0f}% of reading is {longest}; {f'{way}; ' if way else ''}"
        "stfw tune loader finds how many workers help"
    )


def page(seen: Profile, command: str, said: str) -> str:
    """The page, in Markdown."""
    n, step_ms = seen.num_steps, 1000 * seen.wall_sec / seen.num_steps
    workers = f"{seen.num_workers} worker{'' if seen.num_workers == 1 else 's'}"
    rate = speed(n * seen.num_clips / seen.wall_sec)
    lines = [
        "# Where the time goes",
        "",
        f"**{said[0].upper()}{said[1:]}.**",
        "",
        f"`{command}`: {n} batches of {seen.num_clips} clips, {workers}, "
        f"{'GPU' if seen.on_gpu else 'CPU'}; {step_ms:.1f} ms a batch, {rate}.",
        "",
        "| stage | ms a batch | share |",
        "|---|---:|---:|",
    ]
    lines += [
        f"| {stage} | {seen.share(stage) * step_ms:.1f} | {100 * seen.share(stage):.1f}% |"
        for stage in STAGES
    ]
    lines.append(f"| all | {step_ms:.1f} | 100.0% |")
    if seen.on_gpu:
        lines += ["", "The GPU was waited for at the border of every stage: nothing overlaps here."]
    total = sum(seen.parts.values())
    lines += [
        "",
        "## Reading a sample",
        "",
        f"{1000 * total:.1f} ms in one process, without workers.",
        "",
        "| part | ms a sample | share |",
        "|---|---:|---:|",
    ]
    lines += [
        f"| {part} | {1000 * seen.parts[part]:.2f} | {100 * seen.parts[part] / total:.1f}% |"
        for part in PARTS
        if part in seen.parts
    ]
    lines += [
        "",
        "## Operators",
        "",
        f"By their own {'GPU' if seen.on_gpu else 'CPU'} time, in the traced batches.",
        "",
        "| operator | share | ms a batch | calls a batch |",
        "|---|---:|---:|---:|",
    ]
    lines += [
        f"| `{name}` | {100 * share:.1f}% | {ms:.2f} | {calls:.0f} |"
        for name, share, ms, calls in seen.operators
    ]
    return "\n".join(lines) + "\n"
