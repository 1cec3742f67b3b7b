"""TensorBoard: curves, the config as hyperparameters, pictures of the worst clips."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from stfw.loggers.worst import Worst
from stfw.runs.config_text import flatten
from stfw.types import UserError

SCORES = ("val/top1", "val/loss", "test/top1")  # beside the hyperparameters
APART = ("callbacks", "logger", "output_dir", "resume")  # say nothing of what was learnt


class TensorBoard(TensorBoardLogger):
    """Event files in ``<run>/tensorboard``; a resumed run goes on in the same folder.

    Args:
        run_dir: the run's folder.
        num_worst: test clips that are shown, the worst first.

    Raises:
        UserError: TensorBoard is not installed.
    """

    def __init__(self, run_dir: str, num_worst: int = 12) -> None:
        try:
            super().__init__(
                run_dir, name="tensorboard", version="", default_hp_metric=False, max_queue=100
            )
        except ModuleNotFoundError as error:
            raise UserError(
                'logger=tensorboard needs TensorBoard: pip install "stfw[tensorboard]"'
            ) from error
        self.num_worst = num_worst

    @rank_zero_only
    def go_on(self, step: int) -> None:
        """Curves of a resumed run: what was written after its checkpoint is not shown."""
        self._kwargs["purge_step"] = step + 1

    @rank_zero_only
    def log_hyperparams(  # type: ignore[override]
        self, params: dict[str, Any], metrics: Any = None, step: int | None = None
    ) -> None:
        """The config's values, one by one, beside the scores of ``SCORES``."""
        from torch.utils.tensorboard.summary import hparams

        kept = {key: value for key, value in params.items() if key not in APART}
        flat = self._sanitize_params(flatten(kept))
        self.hparams = flat
        writer = self.experiment._get_file_writer()
        for summary in hparams(flat, dict.fromkeys(SCORES, 0.0)):
            writer.add_summary(summary)

    @rank_zero_only
    def log_worst(self, worst: Sequence[Worst], step: int) -> None:
        """A filmstrip of each clip, and a table of what each was taken for."""
        lines = ["| clip | true | predicted | score | true score |", "|---|---|---|---|---|"]
        for place, w in enumerate(worst[: self.num_worst], start=1):
            name = f"test_worst/{place:02}"
            self.experiment.add_image(name, w.strip_HWC, step, dataformats="HWC")
            cells = (w.video_id, w.true, w.predicted, f"{w.score:.3f}", f"{w.true_score:.3f}")
            lines.append(f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |")
        self.experiment.add_text("test_worst", "\n".join(lines), step)
