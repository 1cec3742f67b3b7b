"""The filter language: what it means, what it refuses, and that it runs no code."""

from __future__ import annotations

from typing import Any

import pytest

from stfw.runs.config_text import MISSING
from stfw.runs.query import parse_query
from stfw.types import UserError

RUN: dict[str, Any] = {
    "model": "i3d",
    "val/top1": 0.85,
    "seed": 3,
    "optimizer.lr": 0.01,
    "trainer.deterministic": False,
    "trainer.gradient_clip_val": None,
    "tags": ["good", "paper"],
    "logger": {"wandb": {}, "tensorboard": {}},
    "optimizer.betas": [0.9, 0.999],
    "views": "10x3",
    "date": "2026-01-31 12:00",
    "age": 2.0,
    "name": "a name (odd)",
}


def passes(text: str) -> bool:
    return parse_query(text).test(lambda key: RUN.get(key, MISSING))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "model=i3d",
        "model==i3d",
        "model=c3d,i3d",
        "model=i*",
        "model!=c3d,r3d",
        "model=i3d and val/top1>0.8",
        "val/top1 >= 0.85 AND seed<4",
        "model=c3d or seed=3",
        "not model=c3d and not (seed=1 or seed=2)",
        "model=c3d and seed=1 or views=10x3",  # and binds closer than or
        "seed=3.0",
        "optimizer.lr=1e-2",
        "trainer.deterministic=false",
        "trainer.gradient_clip_val=null",
        "no_such_key=null",
        "no_such_key!=3",
        "tag=good",
        "tags!=bad",
        "tags~pap",
        "logger=wandb",
        "optimizer.betas=0.999",
        "date=2026-01-31",
        "date>=2026-01 and date<2026-02",
        "date<2026-01-31T13",
        "age<7d",
        "age>47h",
        'name="a name (odd)"',
        "name~'name ('",
    ],
)
def test_what_passes(text: str) -> None:
    assert passes(text)


@pytest.mark.parametrize(
    "text",
    [
        "model=I3D",
        "model='i*'",  # in quotes a star is a star
        "model!=i*",
        "val/top1>0.85",
        "no_such_key>3",
        "no_such_key=3",
        "trainer.gradient_clip_val<1",
        "tags=goo",
        "not tag=good",
        "date>2026-01-31",
        "age<1d",
        "seed=three",
        "trainer.gradient_clip_val='null'",
    ],
)
def test_what_does_not(text: str) -> None:
    assert not passes(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("model", "after 'model' one of"),
        ("model=", "a value is missing"),
        ("model=i3d and", "a key is missing at the end"),
        ("(model=i3d", "')' is missing"),
        ("model=i3d seed=3", "'seed' stands where only 'and' or 'or' may"),
        ("model=i3d)", "')' stands where"),
        ("seed>1,2", "takes one value"),
        ("=3", "a key is missing before '='"),
        ("model='i3d", "cannot be read from ''i3d' on"),
        ("seed>three", "seed is a number (3), and 'three' is none"),
        ("model>3", "model is a word (i3d)"),
    ],
)
def test_what_cannot_be_read_is_told(text: str, said: str) -> None:
    with pytest.raises(UserError) as told:
        passes(text)
    assert said in str(told.value)


@pytest.mark.parametrize(
    "text", ["__import__('os').system('true')", "model=i3d; 1", "lambda: 0", "model=i3d and (1)"]
)
def test_code_is_no_filter(text: str) -> None:
    with pytest.raises(UserError):
        passes(text)


def test_the_keys_that_a_filter_asks_for() -> None:
    assert parse_query("tag=a and (model=b or not seed>1) or tag=c").keys == (
        "tags",
        "model",
        "seed",
    )
