"""``stfw data split``: writes down which videos train, validate and test; groups stay whole."""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from stfw.commands.data._tables import rows_of, write_table
from stfw.types import Record, UserError

Rows = list[dict[str, str]]


def main(words: Sequence[str]) -> None:
    arguments = parser().parse_args(words)
    out = Path(os.path.abspath(os.path.expanduser(arguments.out)))
    if out.suffix != ".csv":
        raise UserError(f"--out {arguments.out}: a csv is written; give a name that ends in .csv")
    if not out.parent.is_dir():
        raise UserError(f"--out {arguments.out}: there is no folder {out.parent}")
    if out.exists() and not arguments.force:
        raise UserError(f"--out {arguments.out} is there already; --force overwrites it")
    if os.path.isdir(os.path.expanduser(arguments.source)):
        columns, rows = of_folder(arguments, out.parent)
    else:
        columns, rows = of_table(arguments, out.parent)
    write_table(out, columns, rows)
    tell(rows)
    multi = " data.multi_label=true" if arguments.multi_label else ""
    print(f"train with data=table data.path={arguments.out}{multi}")


def parser() -> argparse.ArgumentParser:
    """The tool's arguments."""
    made = argparse.ArgumentParser(
        prog="stfw data split",
        description="Cut a folder (with a subfolder per class) or a table into train, val and "
        "test: stratified by class, no group on two sides, the same on every machine.",
        epilog="example: stfw data split videos --groups groups.csv --out split.csv",
    )
    made.add_argument("source", metavar="FOLDER|TABLE", help="folder, .csv, .jsonl or .parquet")
    made.add_argument("--out", required=True, help="the table that is written, .csv")
    made.add_argument("--groups", help="table with the columns path and group")
    made.add_argument("--val", type=float, default=0.15, help="part to validate on (0.15)")
    made.add_argument("--test", type=float, default=0.15, help="part to test on (0.15)")
    made.add_argument("--seed", type=int, default=0, help="another seed, another cut (0)")
    made.add_argument("--root", help="of a table: its relative paths start here")
    made.add_argument("--multi-label", action="store_true", help="of a table: labels are a|b|c")
    made.add_argument("--force", action="store_true", help="overwrite the table")
    return made


def of_folder(arguments: argparse.Namespace, beside: Path) -> tuple[Sequence[str], Rows]:
    """Columns and rows of a folder, cut just as ``data=folder`` cuts it."""
    from stfw.data.folder import Folder
    from stfw.data.table_rows import COLUMNS

    if arguments.root or arguments.multi_label:
        raise UserError("--root and --multi-label go with a table, not with a folder")
    groups = arguments.groups
    if groups and os.path.isfile(os.path.expanduser(groups)):
        groups = os.path.abspath(os.path.expanduser(groups))
    reader = Folder(
        os.path.expanduser(arguments.source), groups, arguments.val, arguments.test, arguments.seed
    )
    return COLUMNS, rows_of(reader, lambda record: written(record.path, beside))


def of_table(arguments: argparse.Namespace, beside: Path) -> tuple[Sequence[str], Rows]:
    """Columns and rows of a table, cut just as ``data=table`` cuts it but for a split it has."""
    from stfw.data.files import existing_folder
    from stfw.data.splits import complete_splits
    from stfw.data.table_rows import COLUMNS, read_rows

    lists = ("label",) if arguments.multi_label else ()
    table = read_rows(arguments.source, "TABLE", ("path", "label"), COLUMNS[2:], lists)
    folder = Path(os.path.abspath(os.path.expanduser(arguments.source))).parent
    root = existing_folder(arguments.root, "--root") if arguments.root else folder
    if any(values["split"] for _, values in table):
        print(f"the column split of {arguments.source} is left out of account")
    if arguments.groups:
        give_groups(arguments.groups, table, root)
    labels = [
        values["label"].split("|") if arguments.multi_label else [values["label"]]
        for _, values in table
    ]
    index_of = {name: k for k, name in enumerate(sorted({n for given in labels for n in given}))}
    records, row_of = [], {}
    for (where, values), given in zip(table, labels, strict=True):
        path = os.path.abspath(root / os.path.expanduser(values["path"]))
        if not os.path.isfile(path):
            raise UserError(f"{where}: there is no {path}; give --root, or mend the row")
        video_id = name_of(where, values, Path(path), root)
        if video_id in row_of:
            raise UserError(f"{where}: {video_id} stands twice; remove one of the rows")
        row_of[video_id] = {**values, "path": written(path, beside)}
        numbers = tuple(sorted({index_of[name] for name in given}))
        label = numbers if arguments.multi_label else numbers[0]
        records.append(Record(video_id, path, label, group=values["group"] or None))
    by_split = complete_splits({"train": records}, arguments.val, arguments.test, arguments.seed)
    if by_split["val"] == by_split["test"]:
        del by_split["test"]
    rows = [
        {**row_of[record.video_id], "split": split}
        for split, members in by_split.items()
        for record in members
    ]
    columns = list(dict.fromkeys([*(name for _, values in table for name in values), *COLUMNS]))
    return columns, rows


def name_of(where: str, values: dict[str, str], path: Path, root: Path) -> str:
    """The name that ``data=table`` gives a row; the cut depends on it."""
    name = (path.relative_to(root) if path.is_relative_to(root) else path).as_posix()
    begin, end = values["start_sec"], values["end_sec"]
    try:
        return f"{name}#{float(begin or 0)}-{end and float(end)}" if begin or end else name
    except ValueError as error:
        raise UserError(f"{where}: '{begin}' to '{end}' are no seconds; mend the row") from error


def give_groups(groups: str, table: Sequence[tuple[str, dict[str, str]]], root: Path) -> None:
    """Fills the column ``group`` of a table from another one, which must name every video."""
    from stfw.data.table_rows import read_rows

    group_of = {
        os.path.abspath(root / values["path"]): values["group"]
        for _, values in read_rows(groups, "--groups", ("path", "group"))
    }
    for where, values in table:
        path = os.path.abspath(root / values["path"])
        if path not in group_of:
            raise UserError(f"{where}: --groups {groups} has no group for {values['path']}")
        values["group"] = group_of[path]


def written(path: str, beside: Path) -> str:
    """A path as the new table has it: relative to its folder, where the video lies below that."""
    if Path(path).is_relative_to(beside):
        return Path(path).relative_to(beside).as_posix()
    return path


def tell(rows: Rows) -> None:
    """Prints the number of videos per class and split, and of groups per split."""
    present = {row["split"] for row in rows}
    splits = [split for split in ("train", "val", "test") if split in present]
    cells = Counter((name, row["split"]) for row in rows for name in row["label"].split("|"))
    groups = {s: {r["group"] for r in rows if r["split"] == s} for s in splits}
    lines = [["class", *splits]]
    lines += [
        [name, *(str(cells[name, split]) for split in splits)]
        for name in sorted({name for name, _ in cells})
    ]
    lines.append(["all", *(str(sum(r["split"] == split for r in rows)) for split in splits)])
    if any(row["group"] for row in rows):
        lines.append(["groups", *(str(len(groups[split] - {""})) for split in splits)])
    widths = [max(len(line[k]) for line in lines) for k in range(len(splits) + 1)]
    for first, *others in lines:
        numbers = (text.rjust(width) for text, width in zip(others, widths[1:], strict=True))
        print("  ".join([first.ljust(widths[0]), *numbers]))
