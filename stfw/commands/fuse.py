"""``stfw fuse <run> <run> [...]``: late fusion, its weights found on the validation scores."""

from __future__ import annotations

import argparse
import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stfw.types import UserError, nearest

if TYPE_CHECKING:
    import numpy as np

    from stfw.reports.fusion import Predictions

USAGE = """usage: stfw fuse <run> <run> [<run> [<run>]] [mean=arithmetic|geometric] [out=<file>.csv]
                 [--json]

finds the weights of the runs' probabilities that give the best top-1 on the validation videos (of
equals, the lowest log loss), and applies them to the test videos; out= keeps the fused predictions.
Runs that validated on test videos (data.val_fraction=0) are fused with equal weights
"""
MEANS = ("arithmetic", "geometric")
KEYS = ("mean", "out")
VAL, TEST = "predictions_val.csv", "predictions.csv"


def main(words: Sequence[str]) -> None:
    if not words or {"-h", "--help"} & set(words):
        print(USAGE, end="")
        return
    arguments = parse(words)
    result, fused, test = fuse_runs(arguments.runs, arguments.mean)
    if arguments.out is not None:
        from stfw.runs.directory import write_text

        path = Path(arguments.out).expanduser()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_text(path, to_csv(test, fused))
        except OSError as error:
            raise UserError(f"out={arguments.out}: cannot be written ({error.strerror})") from error
        result["predictions"] = str(path)
    if arguments.json:
        print(json.dumps(result, indent=2, ensure_ascii=False))
    else:
        show(result)


def parse(words: Sequence[str]) -> argparse.Namespace:
    """The command's words.

    Raises:
        UserError: fewer than two runs or more than four, or a key or mean that there is not.
    """
    runs: list[str] = []
    given: dict[str, str] = {}
    as_json = False
    for word in words:
        key, found, value = word.partition("=")
        if word == "--json":
            as_json = True
        elif word.startswith("-"):
            raise UserError(f"{word}: no such option (there is: --json)")
        elif not found or Path(word).expanduser().exists():
            runs.append(word)
        elif key not in KEYS:
            raise UserError(
                f"{word}: no such key{nearest(key, KEYS)} (there are: {', '.join(KEYS)})"
            )
        else:
            given[key] = value
    mean = given.get("mean", MEANS[0])
    if mean not in MEANS:
        raise UserError(f"mean={mean}: there are {', '.join(MEANS)}{nearest(mean, MEANS)}")
    if not 2 <= len(runs) <= 4:
        raise UserError(f"{len(runs)} runs: name two to four: stfw fuse <run> <run>")
    return argparse.Namespace(runs=runs, mean=mean, out=given.get("out"), json=as_json)


def fuse_runs(runs: Sequence[str], mean: Any) -> tuple[dict[str, Any], np.ndarray, Predictions]:
    """Weights and scores of a fusion; its test probabilities B K; the first run's test predictions.

    Raises:
        UserError: a run without scores, or runs that do not fit together.
    """
    import numpy as np

    from stfw.reports.fusion import check_same, fuse, read, search, top1

    folders = [Path(run).expanduser() for run in runs]
    for folder in folders:
        for name in (VAL, TEST):
            if not (folder / name).is_file():
                raise UserError(
                    f"{folder}: there is no {name}; a run writes it at its end, with test=true"
                )
    val, test = ([read(folder / name) for folder in folders] for name in (VAL, TEST))
    check_same(val)
    check_same(test)
    if val[0].classes != test[0].classes:
        raise UserError(f"{val[0].where} and {test[0].where} have other classes")
    val_RBK, test_RBK = (np.stack([one.scores_BK for one in split]) for split in (val, test))
    val_B, test_B = val[0].labels_B, test[0].labels_B

    def rate(weights: Sequence[float]) -> dict[str, float]:
        pairs = (("val_top1", val_RBK, val_B), ("test_top1", test_RBK, test_B))
        return {name: top1(fuse(s_RBK, weights, mean), labels) for name, s_RBK, labels in pairs}

    # videos that validate and test alike must not choose
    apart = not set(val[0].places) & set(test[0].places)
    weights = search(val_RBK, val_B, mean) if apart else [1 / len(runs)] * len(runs)
    alone = np.eye(len(runs)).tolist()
    rows = [
        {"run": run, "weight": round(weight, 4), **rate(only)}
        for run, weight, only in zip(runs, weights, alone, strict=True)
    ]
    result: dict[str, Any] = {
        "mean": mean,
        "num_val": len(val_B),
        "num_test": len(test_B),
        "weights_from": "validation" if apart else "none",
        "runs": rows,
        "equal_weights": rate([1 / len(runs)] * len(runs)),
        "fusion": rate(weights),
    }
    return result, fuse(test_RBK, weights, mean), test[0]


def show(result: dict[str, Any]) -> None:
    """Prints a table and, as the last line, the fusion's test top-1."""
    rows = [(row["run"], f"{row['weight']:.2f}", row) for row in result["runs"]]
    rows += [("equal weights", "", result["equal_weights"]), ("fusion", "", result["fusion"])]
    width = max(len(name) for name, _, _ in rows)
    print(f"{'':<{width}}  weight  val/top1  test/top1")
    for name, weight, row in rows:
        print(f"{name:<{width}}  {weight:>6}  {row['val_top1']:8.4f}  {row['test_top1']:9.4f}")
    if result["weights_from"] == "none":
        print("the runs validated on test videos, which must not choose: equal weights")
    print(
        f"{result['mean']} mean; weights of {result['num_val']} validation videos, applied to "
        f"{result['num_test']} test videos"
    )
    if "predictions" in result:
        print(f"predictions {result['predictions']}")
    weights = " ".join(f"{row['weight']:.2f}" for row in result["runs"])
    print(f"test/top1 {result['fusion']['test_top1']:.3f}  weights {weights}")


def to_csv(test: Predictions, fused_BK: np.ndarray) -> str:
    """Fused predictions, in the columns of a run's own."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    scored = (f"score/{name}" for name in test.classes)
    writer.writerow(["video_id", "path", "span", "label", "predicted", *scored])
    rows = zip(test.places.items(), test.labels_B.tolist(), fused_BK, strict=True)
    for (video_id, (path, span)), label, scores_K in rows:
        shown = [f"{score:.6f}" for score in scores_K]
        writer.writerow([video_id, path, span, label, int(scores_K.argmax()), *shown])
    return text.getvalue()
