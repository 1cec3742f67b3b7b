"""Whose converter fits, and what of a file does not arrive."""

from __future__ import annotations

import importlib
import pkgutil

import pytest
import torch
from torch import Tensor, nn

from stfw.models import convert, converters
from stfw.models.origin import HALVES, Network, Source, of
from stfw.types import UserError


class Net(nn.Module):
    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6))
        self.head = nn.Linear(6, num_classes) if num_classes else nn.Identity()


def foreign() -> dict[str, Tensor]:
    state = {f"body.{k}": v for k, v in nn.Sequential(nn.Linear(4, 6)).state_dict().items()}
    state |= {f"norm.{k}": v for k, v in nn.BatchNorm1d(6).state_dict().items()}
    del state["norm.num_batches_tracked"]
    return state | {"fc.weight": torch.randn(5, 6), "fc.bias": torch.randn(5)}


NAMES = {"body.0.": "encoder.0.", "norm.": "encoder.1.", "fc.": "head."}


@of(lambda state: [Network(f"their {len(state)} tensors", HALVES)])
def from_them(state: dict[str, Tensor]) -> dict[str, Tensor]:
    ours = {}
    for name, value in state.items():
        start = next((s for s in NAMES if name.startswith(s)), None)
        if start is None:
            raise UserError(f"no place for {name}")
        ours[name.replace(start, NAMES[start])] = value
    return ours


@of(Network("others", None))
def from_others(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {"encoder.0.weight": state["w"]}


@pytest.fixture(autouse=True)
def _two_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    both = {"others": from_others, "them": from_them}
    monkeypatch.setattr(convert, "sources", lambda encoder: both)


def test_the_source_that_fits_is_found_and_counters_may_be_missing() -> None:
    state = foreign()
    result = convert.convert(state, "net", Net)
    assert (result.source, result.num_classes, result.dropped) == ("them", 5, [])
    assert result.networks == [Network("their 8 tensors", HALVES)]
    net = Net(5)
    net.load_state_dict(result.state)
    assert torch.equal(net.encoder[0].weight, state["body.0.weight"])


def test_without_a_head_there_are_no_classes() -> None:
    state = {name: value for name, value in foreign().items() if not name.startswith("fc.")}
    result = convert.convert(state, "net", Net)
    assert result.num_classes == 0
    Net(0).load_state_dict(result.state)


def test_half_precision_becomes_the_network_s_own() -> None:
    result = convert.convert({n: v.half() for n, v in foreign().items()}, "net", Net)
    assert result.state["encoder.0.weight"].dtype == torch.float32


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("norm.bias"), "as them: 1 missing: encoder.1.bias"),
        (lambda s: s.update({"body.0.x": torch.ones(1)}), "as them: 1 unexpected: encoder.0.x"),
        (
            lambda s: s.update({"norm.bias": torch.ones(7)}),
            r"as them: 1 of another shape: encoder.1.bias \(7,\) for \(6,\)",
        ),
        (lambda s: s.update({"y": torch.ones(1)}), "as them: no place for y"),
    ],
)
def test_what_does_not_fit_is_named(change, message: str) -> None:
    state = foreign()
    change(state)
    with pytest.raises(UserError, match=message):
        convert.convert(state, "net", Net)


def test_a_long_list_names_ten_and_counts_all() -> None:
    state = foreign() | {f"body.0.x{i:02}": torch.ones(1) for i in range(30)}
    with pytest.raises(UserError) as caught:
        convert.convert(state, "net", Net)
    told = str(caught.value)
    assert "30 unexpected" in told
    assert ("x09 ..." in told, "x10" in told) == (True, False)


def test_a_forced_source_is_the_only_one() -> None:
    with pytest.raises(UserError, match="as others: KeyError: 'w'"):
        convert.convert(foreign(), "net", Net, "others")
    with pytest.raises(UserError, match=r"from=thme: .* did you mean 'them'.*others, them"):
        convert.convert(foreign(), "net", Net, "thme")


def test_what_does_not_arrive_is_found_however_tensors_are_cut_and_joined() -> None:
    def cut(state: dict[str, Tensor]) -> dict[str, Tensor]:
        query, key, value = state["qkv"].chunk(3)
        return {
            "a": torch.cat([query, key]).permute(1, 0),
            "b": value.reshape(-1),
            "c": state["one"].unsqueeze(0),
            "d": torch.zeros(3),
        }

    state = {"qkv": torch.randn(6, 4), "one": torch.ones(()), "idle": torch.ones(9)}
    assert convert.dropped(state, cut) == ["idle"]


def test_every_converter_says_whose_networks_it_converts() -> None:
    for module in pkgutil.iter_modules(converters.__path__):
        contents = vars(importlib.import_module(f"{converters.__name__}.{module.name}"))
        for name in contents:
            assert not name.startswith("from_") or isinstance(contents[name], Source), name


def test_every_encoder_with_converters_has_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert "torchvision" in convert.sources("video_resnet")
    with pytest.raises(UserError, match="'stconv' cannot be imported: no converter"):
        convert.sources("stconv")
