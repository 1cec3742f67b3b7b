"""``stfw tune lr``: the learning-rate range test (Smith 2017).

Lightning's own finder gives all parameters one rate; here layer-wise and per-stream factors, the
precision and the accumulated batches are those of the run.
"""

from __future__ import annotations

import argparse
import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from stfw.types import UserError

SMOOTH = 0.95  # of the running mean of the loss
TOO_LARGE = 4.0  # a loss so many times the best ends the test
ROWS = 12


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="stfw tune lr", description=__doc__)
    made.add_argument("overrides", nargs="*", help="of stfw train")
    made.add_argument("--min", type=float, default=1e-6, help="first rate (1e-6)")
    made.add_argument("--max", type=float, default=1.0, help="last rate (1.0)")
    made.add_argument("--steps", type=int, default=100, help="rates that are tried (100)")
    made.add_argument("--out", help="also write the curve: a .csv or .png file")
    return made


def main(words: Sequence[str]) -> None:
    given = parser().parse_args(list(words))
    if not 0 < given.min < given.max:
        raise UserError(f"--min {given.min:g} must lie above 0 and below --max {given.max:g}")
    if given.steps < 10:
        raise UserError(f"--steps {given.steps} is too few to see a curve; give 10 or more")
    if given.out and Path(given.out).suffix not in (".csv", ".png"):
        raise UserError(f"--out {given.out}: give a .csv or .png file")
    from stfw.commands.plan import effective_batch_size
    from stfw.commands.tune._trial import prepare
    from stfw.tasks.lr_scaling import lr_factor

    trial = prepare(given.overrides)
    cfg = trial.cfg
    batch_size = effective_batch_size(cfg, trial.data, 1)
    factor = lr_factor(batch_size, cfg.optimizer.get("base_batch_size"), cfg.scale_lr)
    print(f"{given.steps} steps with batches of {batch_size}, {given.min:g} to {given.max:g}")
    rates, losses = range_test(trial, given.min, given.max, given.steps)
    smooth = smoothed(losses)
    if given.out:
        write(Path(given.out), rates, losses, smooth)
    for index in np.linspace(0, len(rates) - 1, min(ROWS, len(rates))).round().astype(int):
        print(f"lr {rates[index]:<10.3g} loss {smooth[index]:.4f}")
    if len(rates) < given.steps:
        print(f"the loss leaves all bounds at {rates[-1]:.3g}")
    print(f"the lowest loss is at {rates[lowest(smooth)]:.3g}")
    best = suggestion(rates, smooth)
    if factor != 1:
        base = cfg.optimizer.base_batch_size
        print(f"steepest at {best:.3g}, that is {best / factor:.3g} for a batch of {base}")
    print(f"optimizer.lr={best / factor:.2g}")


def range_test(
    trial: Any, first: float, last: float, num_steps: int
) -> tuple[np.ndarray, np.ndarray]:
    """Trains while the rate grows by the same factor at every step.

    Returns:
        Rates and losses of the steps, until the loss left all bounds.
    """
    import pytorch_lightning as pl
    from torch.optim.lr_scheduler import LambdaLR

    own = float(trial.cfg.optimizer.lr)
    if own <= 0:
        raise UserError(f"optimizer.lr={own:g}: give a rate above 0, from which groups keep apart")
    rates = first * (last / first) ** (np.arange(num_steps) / (num_steps - 1))

    class Losses(pl.Callback):
        """Keeps the loss of every optimizer step, and stops when it is far too high."""

        def __init__(self) -> None:
            self.of_step: list[list[float]] = [[]]

        def on_train_batch_end(
            self, trainer: Any, module: Any, outputs: Any, batch: Any, batch_idx: int
        ) -> None:
            self.of_step[-1].append(float(outputs["loss"]) * trainer.accumulate_grad_batches)
            if trainer.global_step < len(self.of_step):
                return  # more batches make this step
            if diverged(self.losses()):
                trainer.should_stop = True
            self.of_step.append([])

        def losses(self) -> np.ndarray:
            return np.array([float(np.mean(step)) for step in self.of_step if step])

    def schedule(optimizer: Any, num_steps: int, num_epochs: int) -> Any:
        return LambdaLR(optimizer, lambda step: rates[min(step, len(rates) - 1)] / own)

    trial.task.make_lr_scheduler = schedule
    seen = Losses()
    trainer = trial.trainer(num_steps, [seen], trial.data.num_workers)
    trainer.fit(trial.task, trial.data)
    losses = seen.losses()
    return rates[: len(losses)], losses


def smoothed(losses: np.ndarray) -> np.ndarray:
    """The running mean, corrected for its beginning (as in Adam)."""
    mean, made = 0.0, []
    for number, loss in enumerate(losses, start=1):
        mean = SMOOTH * mean + (1 - SMOOTH) * loss
        made.append(mean / (1 - SMOOTH**number))
    return np.array(made)


def diverged(losses: np.ndarray) -> bool:
    """Whether the loss is no number any more, or far above the best."""
    if not math.isfinite(losses[-1]):
        return True
    smooth = smoothed(losses)
    return len(smooth) > 10 and smooth[-1] > TOO_LARGE * smooth.min()


def _begin(smooth: np.ndarray) -> int:
    """The first tenth does not count: there the running mean has seen little."""
    return len(smooth) // 10


def lowest(smooth: np.ndarray) -> int:
    """Where the smoothed loss is lowest."""
    begin = _begin(smooth)
    return begin + int(np.argmin(np.nan_to_num(smooth[begin:], nan=np.inf)))


def suggestion(rates: np.ndarray, smooth: np.ndarray) -> float:
    """The rate at which the smoothed loss falls fastest, by the logarithm of the rate.

    What comes after the lowest loss does not count.

    Raises:
        UserError: the loss never fell.
    """
    begin, end = _begin(smooth), lowest(smooth) + 1
    if end - begin < 3:
        raise UserError(
            "the loss did not fall anywhere; try --min lower, --steps higher or another model"
        )
    slopes = np.gradient(smooth[begin:end], np.log(rates[begin:end]))
    return float(rates[begin + int(np.argmin(slopes))])


def write(path: Path, rates: np.ndarray, losses: np.ndarray, smooth: np.ndarray) -> None:
    """The curve as numbers or as a picture."""
    if path.suffix == ".csv":
        from stfw.runs.directory import write_text

        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["lr", "loss", "smoothed"])
        writer.writerows(zip(rates, losses, smooth, strict=True))
        write_text(path, text.getvalue())
        return
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    axes.semilogx(rates, losses, alpha=0.3)
    axes.semilogx(rates, smooth)
    axes.set(xlabel="learning rate", ylabel="loss")
    figure.savefig(path)
