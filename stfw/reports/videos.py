"""The report's sections on the test videos: confusion, scores per class, the worst mistakes."""

from __future__ import annotations

from stfw.reports.clips import strip
from stfw.reports.html import escape, paragraph, percent, table
from stfw.reports.plots import MAX_LABELS, confusion, confusion_size, picture
from stfw.reports.read import Run
from stfw.reports.scores import confused_pairs, confusion_KK, per_class

NUM_CLIPS = 12
NUM_PAIRS = 15


def confusions(run: Run) -> str:
    """Where each class's videos went."""
    predictions = run.predictions
    if predictions is None:
        return paragraph(run.absent.get("predictions.csv", ""))
    classes = predictions.classes
    counts_KK = confusion_KK(predictions.label_B, predictions.predicted_B, len(classes))
    text = paragraph(
        "A row is a true class; its cells are the share of its videos, in percent, that each "
        "class was predicted for. Right ones are blue, wrong ones orange.",
        "soft",
    )
    size = confusion_size(len(classes))
    text += picture(confusion(counts_KK, classes), size, "confusion matrix")
    if len(classes) > MAX_LABELS:
        support_K = counts_KK.sum(1)
        rows = [
            (classes[true], classes[said], num, percent(num / support_K[true]))
            for true, said, num in confused_pairs(counts_KK, NUM_PAIRS)
        ]
        head = ("true", "predicted", "videos", "of the class")
        text += f"<h3>Most confused</h3>{table(head, rows)}" if rows else ""
    return text


def classes_table(run: Run) -> str:
    """Precision, recall, F1 and support of each class."""
    predictions = run.predictions
    if predictions is None:
        return paragraph(run.absent.get("predictions.csv", ""))
    names = predictions.classes
    scores = per_class(confusion_KK(predictions.label_B, predictions.predicted_B, len(names)))
    rows = [
        (name, percent(precision), percent(recall), percent(f1), support)
        for name, precision, recall, f1, support in zip(
            names, scores.precision_K, scores.recall_K, scores.f1_K, scores.support_K, strict=True
        )
    ]
    total = int(scores.support_K.sum())
    foot = [
        ("macro average", *map(percent, scores.macro()), total),
        ("weighted average", *map(percent, scores.weighted()), total),
    ]
    return table(("class", "precision", "recall", "F1", "videos"), rows, foot)


def wrong_clips(run: Run) -> str:
    """The wrong predictions that were made with most confidence."""
    predictions = run.predictions
    if predictions is None:
        return paragraph(run.absent.get("predictions.csv", ""))
    entries = predictions.most_wrong(NUM_CLIPS)
    num_wrong = int((predictions.label_B != predictions.predicted_B).sum())
    if not entries:
        return paragraph("Every test video was predicted right.")
    figures = ""
    for entry in entries:
        true = predictions.classes[predictions.label_B[entry]]
        said = predictions.classes[predictions.predicted_B[entry]]
        path = predictions.paths[entry]
        figures += (
            f'<figure title="{escape(path)}">{strip(path, predictions.spans[entry])}'
            f'<div class="said">{escape(true)}, taken for <b>{escape(said)}</b></div>'
            f"<figcaption>{percent(predictions.score_B[entry])} sure, "
            f"{percent(predictions.true_score_B[entry])} for the truth · "
            f"{escape(predictions.video_ids[entry])}</figcaption></figure>"
        )
    said_all = f"{len(entries)} of {num_wrong} wrong predictions; first, middle and last frame."
    return f'{paragraph(said_all, "soft")}<div class="clips">{figures}</div>'
