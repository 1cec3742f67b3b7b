"""What readers share: splits that tear no group apart.

A *unit* is what must stay on one side: the records of one group, or, where no group is named, the
records of one file (two parts of a video look alike).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from stfw.data.files import logger
from stfw.types import Record, Split, UserError

SPLIT_NAMES: dict[str, Split] = {
    "train": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
}


def complete_splits(
    given: Mapping[Split, Sequence[Record]],
    val_fraction: float,
    test_fraction: float,
    seed: int,
    num_folds: int | None = None,
    fold: int = 0,
) -> dict[Split, list[Record]]:
    """All three splits from those at hand, each sorted by ``video_id``, none empty.

    Training videos alone are cut into three; training and test videos give a validation split from
    the training videos. A split that is neither given nor cut (fraction 0, or validation videos
    without test videos) is measured on the other of val and test, and a warning says so.

    Args:
        given: the splits that the data set itself names; at least ``train``.
        val_fraction: of the training videos, where no validation videos are given.
        test_fraction: of the training videos, where neither is given.
        seed: of the cut.
        num_folds: of a cross-validation instead, where all videos are given as ``train``.
        fold: the one that tests.

    Raises:
        UserError: bad fractions, no training videos, a split left empty, a group on two sides.
    """
    for name, fraction in (("val_fraction", val_fraction), ("test_fraction", test_fraction)):
        if not 0 <= fraction < 1:
            raise UserError(f"data.{name}={fraction} is no part of 1; give 0 <= {name} < 1")
    splits = {split: _sorted(records) for split, records in given.items() if records}
    if "train" not in splits:
        raise UserError("the data has no training videos; name some of them train")
    check_no_group_leak(splits)  # before the cut, which may fail for lack of groups
    if num_folds is not None:
        if len(splits) > 1:
            raise UserError(
                f"data.folds={num_folds}: the data set names its own {' and '.join(splits)} "
                "videos; set data.folds=null, or give it without them"
            )
        splits = fold_records(splits["train"], num_folds, fold, val_fraction, seed)
    fractions: dict[Split, float] = {}
    if "val" not in splits:
        fractions["val"] = val_fraction
        if "test" not in splits:
            fractions["test"] = test_fraction
    if num_folds is None and any(fractions.values()):
        splits.update(split_records(splits["train"], fractions, seed))
    if len(splits) == 1:
        raise UserError(
            "data.val_fraction=0 and data.test_fraction=0 leave nothing to measure on; raise one"
        )
    check_no_group_leak(splits)
    pairs: tuple[tuple[Split, Split], ...] = (("val", "test"), ("test", "val"))
    for split, other in pairs:
        if split not in splits:
            logger.warning(
                "there are no %s videos of their own: %s is measured on the %s videos",
                *(split, split, other),
            )
            splits[split] = splits[other]
    return splits


@dataclass(frozen=True)
class _Unit:
    records: list[Record]
    counts: Counter[int | None]  # records per label; under None, of all labels
    order: tuple[int, str]  # large ones first, equal ones shuffled by the seed


def split_records(
    records: Sequence[Record], fractions: Mapping[Split, float], seed: int
) -> dict[Split, list[Record]]:
    """Cuts records into splits: stratified by label, no unit on two sides.

    Every unit goes where its labels fall shortest of their share (divisors 1, 3, 5, ... as in
    Webster's apportionment, over labels and over all records). Every class is in ``train``. The cut
    depends on the names of groups and videos and on the seed alone: neither on the order of the
    records, nor on where the files lie, nor on the machine.

    Args:
        records: what to cut.
        fractions: of ``val`` and ``test``, 0..1; the rest is ``train``. 0 leaves a split out.
        seed: another seed, another cut.

    Returns:
        The splits with a positive fraction, each sorted by ``video_id``, none empty.

    Raises:
        UserError: too few units for the splits.
    """
    shares: dict[Split, float] = {"train": 1 - sum(fractions.values())}
    shares |= {split: share for split, share in fractions.items() if share > 0}
    if shares["train"] <= 0:
        parts = " and ".join(f"data.{split}_fraction={part}" for split, part in fractions.items())
        raise UserError(f"{parts} leave nothing to train on; their sum must be below 1")
    side = _apportion(_units(records, seed), shares, whole="train")
    for split in shares:
        if not side[split]:
            _give_one(split, side)
    return {split: _records(units) for split, units in side.items()}


def fold_records(
    records: Sequence[Record], num_folds: int, fold: int, val_fraction: float, seed: int
) -> dict[Split, list[Record]]:
    """One fold of a cross-validation: it tests, the others train and validate.

    Folds are stratified by label, of about the same size, and no unit stands in two of them. Over
    all folds every record is tested once.

    Args:
        records: what to cut.
        num_folds: at least 2.
        fold: which of them tests, 0..num_folds-1.
        val_fraction: of the others; 0: the test videos also validate.
        seed: another seed, other folds.

    Raises:
        UserError: fewer than 2 folds, no such fold, or too few units for them.
    """
    if num_folds < 2:
        raise UserError(f"data.folds={num_folds} is no cross-validation; give 2 or more, or null")
    if not 0 <= fold < num_folds:
        raise UserError(f"data.fold={fold}: the folds are 0 to {num_folds - 1}")
    units = _units(records, seed)
    parts = _apportion(units, dict.fromkeys(range(num_folds), 1 / num_folds))
    if not all(parts.values()):
        raise UserError(
            f"data.folds={num_folds} needs as many separate groups or files; there are {len(units)}"
        )
    others = _records([unit for number in parts if number != fold for unit in parts[number]])
    splits = split_records(others, {"val": val_fraction} if val_fraction else {}, seed)
    return splits | {"test": _records(parts[fold])}


_Side = TypeVar("_Side", bound=Hashable)


def _apportion(
    units: Sequence[_Unit], shares: Mapping[_Side, float], whole: _Side | None = None
) -> dict[_Side, list[_Unit]]:
    """Gives every unit to the side whose labels fall shortest of their share.

    Args:
        whole: the side that must have every label.
    """
    total = _count(units)
    have: dict[_Side, Counter[int | None]] = {name: Counter() for name in shares}
    side: dict[_Side, list[_Unit]] = {name: [] for name in shares}

    def cost(name: _Side, unit: _Unit) -> float:
        return sum(
            count * (2 * have[name][label] + count) / (shares[name] * total[label])
            for label, count in unit.counts.items()
        )

    for unit in units:
        lacks = whole is not None and any(not have[whole][label] for label in unit.counts)
        name = whole if whole is not None and lacks else min(shares, key=lambda n: cost(n, unit))
        side[name].append(unit)
        have[name].update(unit.counts)
    return side


def _records(units: Iterable[_Unit]) -> list[Record]:
    return _sorted([record for unit in units for record in unit.records])


def check_no_group_leak(by_split: Mapping[Split, Sequence[Record]]) -> None:
    """Makes sure that no unit stands on two sides, wherever the splits come from.

    Raises:
        UserError: one does; it and a file of either side are named.
    """
    seen: dict[tuple[str, str], tuple[Split, Record]] = {}
    torn: dict[tuple[str, str], tuple[Split, Record]] = {}
    for split, records in by_split.items():
        for record in records:
            if seen.setdefault(_key(record), (split, record))[0] != split:
                torn.setdefault(_key(record), (split, record))
    if torn:
        key, (split, record) = next(iter(torn.items()))
        other, first = seen[key]
        more = f" (and {len(torn) - 1} more)" if len(torn) > 1 else ""
        way_out = "" if key[0] == "group" else ", or give its parts different groups"
        raise UserError(
            f"{key[0]} '{key[1]}'{more} stands on two sides: in {other} ({first.video_id}) and in "
            f"{split} ({record.video_id}); move it to one{way_out}"
        )


def _give_one(split: Split, side: dict[Split, list[_Unit]]) -> None:
    """Moves the smallest unit that its own side can spare to an empty split."""
    for source in list(side):  # train first: most are there
        for unit in reversed(side[source]):
            rest = _count(u for u in side[source] if u is not unit)
            if rest and (source != "train" or all(rest[label] for label in unit.counts)):
                side[source].remove(unit)
                side[split].append(unit)
                return
    num_units = sum(map(len, side.values()))
    raise UserError(
        f"the {split} split stays empty: {num_units} separate groups or files are too few for "
        f"{len(side)} splits with every class in train; add videos, or set "
        f"data.{split}_fraction=0"
    )


def _key(record: Record) -> tuple[str, str]:
    return ("file", record.path) if record.group is None else ("group", record.group)


def _units(records: Sequence[Record], seed: int) -> list[_Unit]:
    by_key: dict[tuple[str, str], list[Record]] = {}
    for record in _sorted(records):
        by_key.setdefault(_key(record), []).append(record)
    units = []
    for (kind, group), members in by_key.items():
        name = members[0].video_id if kind == "file" else group  # the path is the machine's
        digest = hashlib.sha256(f"{seed}/{kind}/{name}".encode()).hexdigest()
        counts: Counter[int | None] = Counter(k for record in members for k in record.labels)
        counts[None] = len(members)
        units.append(_Unit(members, counts, (-len(members), digest)))
    return sorted(units, key=lambda unit: unit.order)


def _count(units: Iterable[_Unit]) -> Counter[int | None]:
    total: Counter[int | None] = Counter()
    for unit in units:
        total.update(unit.counts)  # `+` would copy the total every time
    return total


def _sorted(records: Sequence[Record]) -> list[Record]:
    return sorted(records, key=lambda record: record.video_id)
