"""Which published network fits an encoder's settings, and how it is told."""

from __future__ import annotations

import pytest

from stfw.models.origin import Network, Source, choose, of, overrides
from stfw.types import UserError

POOLED = Network("pooled", None, {"pool": True, "strides": (1, 2)})
BARE = Network("bare", None, {"pool": False, "strides": (1, 2)})


def test_the_network_whose_settings_the_encoder_has() -> None:
    own = {"depth": 50, "pool": False, "strides": [1, 2]}
    assert choose([POOLED, BARE], own, "encoder") is BARE
    assert choose([POOLED, BARE], {**own, "pool": True}, "encoder") is POOLED


def test_none_names_what_to_add_for_each() -> None:
    with pytest.raises(UserError) as caught:
        choose([POOLED, BARE], {"pool": True, "strides": [2, 2]}, "encoder")
    told = str(caught.value)
    assert "add after --: 'encoder.strides=[1,2]' (pooled)" in told
    assert " or encoder.pool=false 'encoder.strides=[1,2]' (bare)" in told


def test_a_setting_that_the_person_gave_counts_where_no_network_has_it() -> None:
    own = {"pool": False, "strides": [2, 2]}
    assert choose([POOLED], own, "encoder", {"pool", "strides"}) is POOLED
    # but a network that has it goes first
    assert choose([POOLED, BARE], {"pool": False, "strides": [1, 2]}, "encoder", {"pool"}) is BARE
    with pytest.raises(UserError, match=r"add after --: 'encoder\.strides=\[1,2\]' \(pooled\)$"):
        choose([POOLED], own, "encoder", {"pool"})


def test_overrides_are_as_a_shell_takes_them() -> None:
    settings = {"a": None, "b": True, "c": 1e-5, "d": [[1, 2], [3]], "e": "strided"}
    expected = "room.a=null room.b=true room.c=1e-05 'room.d=[[1,2],[3]]' room.e=strided"
    assert overrides("room", settings) == expected


def test_a_converter_says_its_networks_and_still_converts() -> None:
    @of(lambda state: [POOLED] if "pool" in state else [BARE])
    def convert(state):
        return {f"encoder.{name}": value for name, value in state.items()}

    assert isinstance(convert, Source)
    assert convert({"x": 1}) == {"encoder.x": 1}
    assert (convert.networks({"pool": 1}), convert.networks({})) == ([POOLED], [BARE])
