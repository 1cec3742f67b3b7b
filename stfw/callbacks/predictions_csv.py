"""``predictions.csv``: every test video's probabilities, to re-score and fuse offline."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytorch_lightning as pl

from stfw.data.datamodule import VideoDataModule
from stfw.runs.directory import write_text
from stfw.tasks.classification import Classification, Prediction


class PredictionsCsv(pl.Callback):
    """Gathers the test predictions of all ranks and checks that each video is there once.

    Args:
        path: the file.
    """

    def __init__(self, path: str) -> None:
        self.path = Path(path)

    def on_test_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, Classification)
        rows = pl_module.gathered_predictions()
        if not trainer.is_global_zero:
            return
        data: VideoDataModule = trainer.datamodule  # type: ignore[attr-defined]
        records, skipped = data.splits["test"], data.bad_samples.paths("test")
        ids = [row[0] for row in rows]
        expected = {record.video_id for record in records if record.path not in skipped}
        limited = trainer.limit_test_batches != 1.0
        if len(set(ids)) != len(ids) or not (limited or expected <= set(ids)):
            raise RuntimeError(
                f"{len(expected)} test videos gave {len(ids)} predictions of {len(set(ids))} videos"
            )
        paths = {record.video_id: record.path for record in records}
        write_text(self.path, to_csv(rows, paths, pl_module.classes))


def to_csv(rows: Sequence[Prediction], paths: Mapping[str, str], classes: Sequence[str]) -> str:
    """video_id, path, label, predicted, then a probability per class under ``score/<class>``.

    Several labels are joined by ``|``; ``predicted`` is the most probable class.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["video_id", "path", "label", "predicted", *(f"score/{c}" for c in classes)])
    for video_id, label, scores in rows:
        predicted = max(range(len(scores)), key=scores.__getitem__)
        shown = [f"{score:.6f}" for score in scores]
        labels = label if isinstance(label, int) else "|".join(map(str, label))
        writer.writerow([video_id, paths.get(video_id, ""), labels, predicted, *shown])
    return text.getvalue()
