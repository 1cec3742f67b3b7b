"""The test clips that a run got most wrong, as filmstrips for its loggers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stfw.types import VideoError


@dataclass(frozen=True)
class Worst:
    """A test clip.

    Attributes:
        strip_HWC: uint8, its first, middle and last frame side by side.
        video_id: its name.
        true: its class.
        predicted: the class it was taken for.
        score: probability of the predicted class.
        true_score: probability of its class.
    """

    strip_HWC: np.ndarray
    video_id: str
    true: str
    predicted: str
    score: float
    true_score: float


def worst_clips(run_dir: Path, num: int) -> list[Worst]:
    """The clips whose own class got the lowest probability; those that cannot be read are left out.

    Args:
        run_dir: folder of a run that was tested, with one label a video; of others the list is
            empty.
        num: how many at most.
    """
    from stfw.reports.clips import moments
    from stfw.reports.read import read_run

    predictions = read_run(run_dir).predictions
    if predictions is None:
        return []
    found: list[Worst] = []
    order = np.argsort(predictions.true_score_B, kind="stable").tolist()
    for entry in order[: 3 * num]:  # a folder that has gone costs no more tries than these
        if len(found) == num:
            break
        try:
            frames_THWC = moments(predictions.paths[entry], predictions.spans[entry])
        except (VideoError, OSError):
            continue
        found.append(
            Worst(
                strip_HWC=np.concatenate(list(frames_THWC), axis=1),
                video_id=predictions.video_ids[entry],
                true=predictions.classes[predictions.label_B[entry]],
                predicted=predictions.classes[predictions.predicted_B[entry]],
                score=float(predictions.score_B[entry]),
                true_score=float(predictions.true_score_B[entry]),
            )
        )
    return found
