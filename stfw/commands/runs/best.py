"""``stfw runs best``: the run with the best score."""

from __future__ import annotations

import math
from collections.abc import Sequence

from stfw.commands.runs.list import as_json
from stfw.commands.runs.select import FILTER_HELP, in_order, read_words, select, whole_number
from stfw.commands.runs.show import cell, columns
from stfw.types import UserError, nearest

USAGE = f"""usage: stfw runs best [filter ...] [metric=test/top1] [mode=max|min] [top=<n>]
                       [runs_dir=runs] [--json]

the run whose score is the best of those that pass the filter; top=5 shows as many
mode= is min for losses and max for all else, unless it is given
{FILTER_HELP}"""
OPTIONS = {"metric": "test/top1", "mode": "", "top": "1", "runs_dir": "runs"}


def main(words: Sequence[str]) -> None:
    if {"-h", "--help"} & set(words):
        print(USAGE, end="")
        return
    given = read_words(words, OPTIONS, ("--json",))
    metric, top = given.options["metric"], whole_number(given, "top")
    mode = given.options["mode"] or ("min" if metric.endswith("loss") else "max")
    if mode not in ("max", "min"):
        raise UserError(f"mode={mode}: there are max and min")
    chosen, every, asked = select(given.words, given.options["runs_dir"])
    scored = [e for e in chosen if math.isfinite(e.metrics.get(metric, math.nan))]
    if not scored:
        known = {name for entry in every for name in entry.metrics}
        among = "" if metric in known else nearest(metric, known)
        raise UserError(f"metric={metric}: none of the {len(chosen)} runs has it{among}")
    best = in_order(scored, metric if mode == "min" else f"-{metric}")[:top]
    keys = [*dict.fromkeys([metric, "model", "data", "seed", "tags", *asked, "run"])]
    if "--json" in given.flags:
        print(as_json(best, keys))
        return
    if len(best) > 1:
        print(columns(keys, [[cell(entry.value(key)) for key in keys] for entry in best]))
    print(f"{metric} {best[0].metrics[metric]:.3f}  {best[0].value('run')}")
