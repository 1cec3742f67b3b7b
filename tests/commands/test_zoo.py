"""``stfw zoo``: counts are exact, and one that is not is found."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from stfw import zoo as zoo_data
from stfw.commands import zoo
from stfw.config import conf_dir, groups
from stfw.zoo import references, unmeasured

Call = Callable[..., tuple[int, str, str]]
SOURCES = sorted({reference.model for reference in references()})


@pytest.mark.parametrize("model", SOURCES)
def test_every_setting_has_exactly_the_reference_s_size(model: str) -> None:
    rows = zoo.table([model], only_references=True)
    assert rows
    assert not [f"{zoo.setting(row)}: {row.difference}" for row in rows if row.difference]


def test_references_name_presets_and_say_where_they_are_from() -> None:
    presets = groups(conf_dir())["model"]
    for reference in references():
        assert reference.model in presets
        assert reference.source
    settings = [(r.model, r.overrides, r.num_classes) for r in references()]
    assert len(set(settings)) == len(settings)


def test_a_count_that_differs_is_named_and_fails(
    stfw: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = "model,overrides,num_classes,parameters,gmacs,source,printed,note\n"
    (tmp_path / "c3d.csv").write_text(
        f"{head}c3d,,101,78409573,38.547,right,,\n"
        "c3d,,400,78409573,38.0,wrong,38 G,printed for 101 classes\n"
    )
    monkeypatch.setattr(zoo_data, "__file__", str(tmp_path / "__init__.py"))
    status, told, error = stfw("zoo", "check", "c3d", "--json", str(tmp_path / "rows.json"))
    assert status == 1
    assert "1 of 2 settings of 1 presets are exact" in told
    assert "differs: model=c3d: +1,225,003 parameters, +1.44% GMACs" in error
    rows = json.loads((tmp_path / "rows.json").read_text())
    assert [row["parameters"] for row in rows] == [78409573, 79634576]
    assert rows[1]["reference"]["note"] == "printed for 101 classes"


def test_presets_without_a_reference_are_counted_too_and_say_why(
    stfw: Call, tmp_path: Path
) -> None:
    status, told, _ = stfw(
        "zoo", "stconv", "two_stream_fused", "--json", str(tmp_path / "rows.json")
    )
    assert status == 0
    assert "102,544 parameters" in told
    assert "rgb 1x3x16x32x32" in told
    assert "reference none   stfw's own: none published" in told
    assert (
        "reference none   printed 97.58 M (Feichtenhofer et al. 2016): printed with VGG-M" in told
    )
    rows = json.loads((tmp_path / "rows.json").read_text())
    assert rows[0]["unmeasured"]["reason"] == "stfw's own: none published"


def test_every_preset_is_compared_or_says_why() -> None:
    compared = {reference.model for reference in references()}
    reasons = unmeasured()
    assert compared | set(reasons) == set(groups(conf_dir())["model"])
    assert all(one.reason for one in reasons.values())
    as_they_stand = {reference.model for reference in references() if not reference.overrides}
    assert not as_they_stand & set(reasons)


def test_an_unknown_preset_gets_a_suggestion(stfw: Call) -> None:
    status, _, error = stfw("zoo", "c3b")
    assert status == 2
    assert "did you mean 'c3d'?" in error
