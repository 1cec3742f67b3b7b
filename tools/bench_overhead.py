"""What stfw adds: to a bare PyTorch loop in every step, and to the imports before the first step.

Steps: stfw's training loop (Lightning, the default callbacks, metrics, logging) and a bare loop
take turns step by step in one process, on the same batch in memory, with one network each from the
same seed. The bare step runs inside the loader that stfw waits for, so that whatever slows the
machine down slows both. Start: fresh processes in turns, ``stfw train`` on the toy until its first
batch has come against ``import torch, pytorch_lightning``; the toy is made before.

    python tools/bench_overhead.py
    python tools/bench_overhead.py --only step --steps 300 --json overhead.json

CPU time and wall time, medians; a ratio (or difference) is the median over the pairs, of steps over
the quietest quarter of them. Exits with 1, naming the row, where a target is missed; the wall time
of steps is judged where they had a core to themselves.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parents[1]))

if TYPE_CHECKING:
    import torch

STEP_MS = 50.0
MOST_STEP_RATIO = 1.05  # at STEP_MS
MOST_STEP_MS = 3.0  # at any length
MOST_START_RATIO = 1.5
BUSY = 1.25  # wall over CPU time of a bare step, on one thread
WARM = 10  # steps that are not counted
FIRST_STEP = "--first-step"  # how this file calls itself in a fresh process

Pair = tuple[float, float]  # ours, bare


class Clock:
    """CPU milliseconds of all threads, and wall milliseconds, between two looks."""

    def __init__(self) -> None:
        self.look()

    def look(self) -> tuple[float, float]:
        cpu, wall = 1000 * time.process_time(), 1000 * time.perf_counter()
        spent = cpu - getattr(self, "cpu", cpu), wall - getattr(self, "wall", wall)
        self.cpu, self.wall = cpu, wall
        return spent


class Bare:
    """The loop that people write: batch, logits, loss, backward, step, schedule, mean loss."""

    def __init__(self, task: Any, num_steps: int) -> None:
        self.transform, self.network, self.loss = task.batch_transform, task.network, task.loss
        self.network.train()
        self.optimizer = task.make_optimizer(task.finetune.groups(task.network))
        self.schedule = task.make_lr_scheduler(self.optimizer, num_steps=num_steps, num_epochs=1)
        self.total: torch.Tensor | float = 0.0

    def step(self, batch: dict[str, Any]) -> None:
        batch = self.transform(dict(batch))
        loss = self.loss(self.network(batch).flatten(0, 1), batch["label"])
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.schedule.step()
        self.total += loss.detach()


def overrides(folder: str) -> list[str]:
    return [
        "trainer=cpu",
        "trainer.max_epochs=1",
        "trainer.limit_val_batches=0",
        "~callbacks.best",  # it waits for a validation
        "data.num_workers=0",
        "data.num_train=16",  # one of them is the batch, over and over
        "data.num_val=8",
        "data.num_test=8",
        f"output_dir={folder}",
    ]


def assembled(folder: str) -> tuple[Any, Any, Any, Any]:
    """Config, data, and two tasks with the same weights."""
    import pytorch_lightning as pl

    from stfw.assemble import assemble_data, assemble_network, assemble_task
    from stfw.build import Build
    from stfw.config import compose
    from stfw.logs import quiet

    quiet()
    cfg = compose("train", overrides(folder)).cfg
    data = assemble_data(cfg, Build())
    tasks = []
    for _ in range(2):
        pl.seed_everything(0, verbose=False)
        network = assemble_network(cfg, Build(), len(data.reader.classes))
        tasks.append(assemble_task(cfg, Build(), network, data.reader.classes))
    return cfg, data, *tasks


def paired_steps(num_videos: int, num_steps: int) -> tuple[list[Pair], list[Pair], Any]:
    """CPU ms and wall ms of every pair of steps on batches of so many videos, and both tasks."""
    import torch

    from stfw.assemble import assemble_trainer
    from stfw.build import Build
    from stfw.data.dataset import collate
    from stfw.data.loader import VideoLoader

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        cfg, data, ours, other = assembled(folder)
        batch: Any = collate([data.dataset("train")[0]] * num_videos)
        bare, cpu, wall = Bare(other, num_steps), [], []

        class Turns(VideoLoader):
            """Gives the batch; each time, before, takes the bare loop's step with it."""

            def __iter__(self) -> Iterator[Any]:
                clock = Clock()
                for nth in range(num_steps):
                    clock.look()
                    bare.step(batch)
                    bare_cpu, bare_wall = clock.look()
                    yield batch
                    own_cpu, own_wall = clock.look()
                    if nth >= WARM and nth + 1 < num_steps:  # the last has the epoch's end
                        cpu.append((own_cpu, bare_cpu))
                        wall.append((own_wall, bare_wall))

        data.train_dataloader = lambda: Turns([batch] * num_steps, batch_size=None)
        trainer = assemble_trainer(cfg, Build(), [], [])
        trainer.fit(ours, data)
    return cpu, wall, (ours, other)


def videos_for(step_ms: float) -> int:
    """Videos whose bare step takes about so long on one core."""
    small, large = (statistics.median(b for _, b in paired_steps(n, WARM + 12)[0]) for n in (2, 8))
    per_video = (large - small) / 6
    return max(1, round((step_ms - (small - 2 * per_video)) / per_video))


def quiet(pairs: Sequence[Pair], wall: Sequence[Pair]) -> list[Pair]:
    """The quarter of the pairs that took least together: the machine did little else meanwhile.

    Milliseconds grow with what else runs, by half and more; ratios hardly do.
    """
    order = sorted(range(len(wall)), key=lambda nth: sum(wall[nth]))
    return [pairs[nth] for nth in order[: -(-len(order) // 4)]]


def step_rows(num_steps: int) -> dict[str, dict[str, float]]:
    """The steps of about 50 ms, and the shortest there are."""
    rows = {}
    for name, num_videos in ((f"step of {STEP_MS:g} ms", videos_for(STEP_MS)), ("short step", 1)):
        cpu, wall, _ = paired_steps(num_videos, num_steps)
        rows[name] = {"videos": float(num_videos)}
        for kind, all_pairs in (("cpu", cpu), ("wall", wall)):
            pairs = quiet(all_pairs, wall)
            rows[name] |= {
                f"{kind}_ms": statistics.median(own for own, _ in pairs),
                f"{kind}_bare_ms": statistics.median(bare for _, bare in pairs),
                f"{kind}_ratio": statistics.median(own / bare for own, bare in pairs),
                f"{kind}_added_ms": statistics.median(own - bare for own, bare in pairs),
                f"{kind}_added_ms_of_all": statistics.fmean(own - bare for own, bare in all_pairs),
            }
    return rows


def first_step() -> None:
    """``stfw train`` up to its first batch; prints the CPU seconds of this process."""
    import pytorch_lightning as pl

    from stfw.cli import main

    def stop(*_: Any) -> None:
        print(f"\nCPU {time.process_time()}", flush=True)
        for worker in __import__("multiprocessing").active_children():
            worker.kill()
        os._exit(0)

    pl.Callback.on_train_batch_start = stop
    main(["train", *sys.argv[2:]])


def started(words: Sequence[str]) -> tuple[float, float]:
    """CPU seconds of a fresh process itself, and wall seconds until it ends."""
    begin = time.perf_counter()
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True)
    wall = time.perf_counter() - begin
    told = [line for line in done.stdout.splitlines() if line.startswith("CPU ")]
    if done.returncode or not told:
        raise SystemExit(f"{' '.join(words)} failed:\n{done.stdout[-500:]}{done.stderr[-2000:]}")
    return float(told[-1].split()[1]), wall


def start_rows(rounds: int) -> dict[str, dict[str, float]]:
    """``stfw train`` to its first step against the imports alone."""
    imports = "import torch, pytorch_lightning, os, time; "
    bare = ["-c", imports + "print('CPU', time.process_time(), flush=True); os._exit(0)"]
    pairs: list[tuple[tuple[float, float], tuple[float, float]]] = []
    with tempfile.TemporaryDirectory() as folder:
        for nth in range(rounds + 1):
            ours = [__file__, FIRST_STEP, f"output_dir={folder}/{nth}"]
            turns = [started(words) for words in ((ours, bare) if nth % 2 else (bare, ours))]
            if nth:  # the first makes the toy, and brings all files into memory
                pairs.append((turns[0], turns[1]) if nth % 2 else (turns[1], turns[0]))
    row = {}
    for place, kind in enumerate(("cpu", "wall")):
        own, alone = ([one[who][place] for one in pairs] for who in (0, 1))
        row |= {
            f"{kind}_sec": statistics.median(own),
            f"{kind}_bare_sec": statistics.median(alone),
            f"{kind}_ratio": statistics.median(a / b for a, b in zip(own, alone, strict=True)),
        }
    return {"start": row}


def was_busy(row: dict[str, float]) -> bool:
    """Whether other work kept the steps off the core, so that their wall time says little."""
    return row.get("wall_bare_ms", 0.0) > BUSY * row.get("cpu_bare_ms", 0.0)


def judge(rows: dict[str, dict[str, float]]) -> list[str]:
    """The targets that are missed, a line each."""
    missed = []
    for name, row in rows.items():
        for kind in ("cpu",) if was_busy(row) else ("cpu", "wall"):
            most = {
                "start": {"ratio": MOST_START_RATIO},
                "short step": {"added_ms": MOST_STEP_MS},
            }.get(name, {"ratio": MOST_STEP_RATIO, "added_ms": MOST_STEP_MS})
            missed += [
                f"{name}: {kind} {figure.replace('_', ' ')} {row[f'{kind}_{figure}']:.3f} > {limit}"
                for figure, limit in most.items()
                if row[f"{kind}_{figure}"] > limit
            ]
    return missed


def show(name: str, row: dict[str, float]) -> None:
    for kind in ("cpu", "wall"):
        unit = "sec" if f"{kind}_sec" in row else "ms"
        added = f"   {row[f'{kind}_added_ms']:+.2f} ms" if f"{kind}_added_ms" in row else ""
        print(
            f"{name:<14}{kind:<6}{row[f'{kind}_{unit}']:9.2f} {unit:<4}"
            f"{row[f'{kind}_bare_{unit}']:9.2f} {unit:<4}{row[f'{kind}_ratio']:8.3f}{added}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", choices=["step", "start"], help="one half of it")
    parser.add_argument("--steps", type=int, default=150, help="steps of each row (150)")
    parser.add_argument("--rounds", type=int, default=5, help="pairs of fresh processes (5)")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    given = parser.parse_args()
    if given.steps < WARM + 2 or given.rounds < 1:
        parser.error(f"give --steps {WARM + 2} or more, and --rounds 1 or more")
    print("              of        stfw         bare            ratio")
    rows: dict[str, dict[str, float]] = {}
    for part, make in (
        ("step", lambda: step_rows(given.steps)),
        ("start", lambda: start_rows(given.rounds)),
    ):
        if given.only in (None, part):
            made = make()
            rows |= made
            for name, row in made.items():
                show(name, row)
                if was_busy(row):
                    print(f"{name}: other work ran meanwhile; its wall time is not judged")
    missed = judge(rows)
    if given.json:
        given.json.write_text(json.dumps({"rows": rows, "missed": missed}, indent=2) + "\n")
    for line in missed:
        print(f"missed: {line}", file=sys.stderr)
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    if sys.argv[1:2] == [FIRST_STEP]:
        first_step()
    else:
        main()
