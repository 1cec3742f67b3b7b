"""``predictions.csv``: every video's probabilities, to re-score and fuse offline."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytorch_lightning as pl
from pytorch_lightning.trainer.states import TrainerFn

from stfw.data.datamodule import VideoDataModule
from stfw.redact import redact_text
from stfw.runs.directory import write_text
from stfw.tasks.classification import Classification, Prediction
from stfw.types import Record, Split


class PredictionsCsv(pl.Callback):
    """Gathers the predictions of all ranks and checks that each video is there once.

    Args:
        path: the file of the test.
        val_path: the file of a validation that stands alone, not of those between epochs; None:
            not kept.
    """

    def __init__(self, path: str, val_path: str | None = None) -> None:
        self.path, self.val_path = Path(path), Path(val_path) if val_path else None

    def on_test_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._write(self.path, "test", trainer.limit_test_batches, trainer, pl_module)

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.val_path is not None and trainer.state.fn == TrainerFn.VALIDATING:
            self._write(self.val_path, "val", trainer.limit_val_batches, trainer, pl_module)

    @staticmethod
    def _write(
        path: Path, split: Split, limit: float, trainer: pl.Trainer, pl_module: pl.LightningModule
    ) -> None:
        assert isinstance(pl_module, Classification)
        rows = pl_module.gathered_predictions()
        if not trainer.is_global_zero:
            return
        data: VideoDataModule = trainer.datamodule  # type: ignore[attr-defined]
        records, skipped = data.splits[split], data.bad_samples.paths(split)
        ids = [row[0] for row in rows]
        expected = {
            record.video_id
            for record in records
            if not {record.path, redact_text(record.path)} & skipped
        }
        limited = isinstance(limit, int) or limit < 1.0  # 1 is one batch, 1.0 is all of them
        if len(set(ids)) != len(ids) or not (limited or expected <= set(ids)):
            raise RuntimeError(
                f"{len(expected)} {split} videos gave {len(ids)} predictions of "
                f"{len(set(ids))} videos"
            )
        of_id = {record.video_id: record for record in records}
        write_text(path, to_csv(rows, of_id, pl_module.classes))


def to_csv(
    rows: Sequence[Prediction], records: Mapping[str, Record], classes: Sequence[str]
) -> str:
    """video_id, path, span, label, predicted, then a probability per class, ``score/<class>``.

    ``span`` is ``<first byte>+<number of bytes>`` where the video is a part of the file. Several
    labels are joined by ``|``; ``predicted`` is the most probable class.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    scored = (f"score/{name}" for name in classes)
    writer.writerow(["video_id", "path", "span", "label", "predicted", *scored])
    for video_id, label, scores in rows:
        predicted = max(range(len(scores)), key=scores.__getitem__)
        shown = [f"{score:.6f}" for score in scores]
        labels = label if isinstance(label, int) else "|".join(map(str, label))
        record = records.get(video_id)
        path, span = (record.path, record.span) if record else ("", None)
        place = f"{span[0]}+{span[1]}" if span else ""
        writer.writerow([video_id, redact_text(path), place, labels, predicted, *shown])
    return text.getvalue()
