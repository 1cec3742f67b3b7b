"""Secrets in the data's place: not written, and asked for where they are needed again."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from stfw.callbacks.predictions_csv import to_csv
from stfw.commands.test import refuse_struck_out
from stfw.data.bad_samples import BadSamples
from stfw.types import Record, UserError, VideoError

URL = "https://me:sesame@host/train/a.mp4"


def test_predictions_and_bad_samples_name_the_file_without_the_secret(tmp_path: Path) -> None:
    text = to_csv([("a", 0, [0.9, 0.1])], {"a": Record("a", URL, 0)}, ["x", "y"])
    (row,) = csv.DictReader(io.StringIO(text))
    assert row["path"] == "https://***@host/train/a.mp4"
    bad = BadSamples(1.0, tmp_path / "bad_samples.jsonl")
    bad.add([VideoError(URL, "open", f"{URL} cannot be opened")], "test", 10)
    assert "sesame" not in (tmp_path / "bad_samples.jsonl").read_text()
    assert json.loads((tmp_path / "bad_samples.jsonl").read_text())["kind"] == "open"
    assert URL in bad.paths("test")  # the process itself knows which one it was


def test_data_whose_secret_was_not_kept_has_to_be_given_again() -> None:
    kept = OmegaConf.create({"data": {"root": "s3://***@host/x"}, "logger": {"key": "***"}})
    with pytest.raises(UserError, match=r"data\.root=s3://\*\*\*@host/x: .* give it: data\.root="):
        refuse_struck_out(kept)
    kept.data.root = "s3://me:pw@host/x"
    refuse_struck_out(kept)
