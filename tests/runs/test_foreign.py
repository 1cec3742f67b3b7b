"""Other people's checkpoint files: what is inside, and what is refused."""

from __future__ import annotations

import datetime
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from stfw.runs.foreign import read_foreign, unwrap
from stfw.types import UserError

STATE = {"conv.weight": torch.arange(6.0).reshape(2, 3), "conv.bias": torch.ones(2)}


@pytest.mark.parametrize(
    "wrap",
    [
        lambda s: s,
        lambda s: {"state_dict": s, "epoch": 3, "optimizer": {"state": {}, "param_groups": []}},
        lambda s: {"model": s},
        lambda s: {"model_state": s, "cfg": "..."},
        lambda s: {"model": {"state_dict": s}},
        lambda s: {"module": s, "lr": torch.ones(1)},
        lambda s: {"state_dict": {f"module.{k}": v for k, v in s.items()}},
        lambda s: {"state_dict": {f"module.model.{k}": v for k, v in s.items()}},
        lambda s: {**s, "epoch": 3},
    ],
)
def test_the_state_is_found_in_usual_wrappers(wrap, tmp_path: Path) -> None:
    torch.save(wrap(STATE), tmp_path / "x.pth")
    state = read_foreign(tmp_path / "x.pth")
    assert set(state) == set(STATE)
    assert all(torch.equal(state[name], STATE[name]) for name in STATE)


def test_a_prefix_that_not_all_keys_have_belongs_to_the_names() -> None:
    state = {"model.a": torch.ones(1), "head.b": torch.ones(1)}
    assert set(unwrap(state)) == set(state)


def test_safetensors_and_numpy_files(tmp_path: Path) -> None:
    save_file(STATE, tmp_path / "x.safetensors")
    arrays = {"RGB/inception_i3d/Conv3d_1a_7x7/conv_3d/w": np.ones((7, 7), np.float32)}
    np.savez(tmp_path / "x.npz", **arrays)
    assert set(read_foreign(tmp_path / "x.safetensors")) == set(STATE)
    assert read_foreign(tmp_path / "x.npz").keys() == arrays.keys()


class Bomb:
    def __reduce__(self) -> tuple:
        return (Path.touch, (Path("exploded"),))


def test_nothing_in_a_file_is_executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": STATE, "x": Bomb()}, "bomb.pth")
    np.savez("bomb.npz", x=np.array([Bomb()], dtype=object))
    for name in ("bomb.pth", "bomb.npz"):
        with pytest.raises(UserError, match="cannot be read as weights"):
            read_foreign(Path(name))
    torch.save({"state_dict": STATE, "when": datetime.datetime(2026, 1, 1)}, "other.pth")
    with pytest.raises(UserError, match=r"datetime\.datetime\).*save its state dict alone"):
        read_foreign(Path("other.pth"))
    assert not Path("exploded").exists()


@pytest.mark.parametrize("content", [b"", b"<html>404</html>", b"PK\x03\x04 cut"])
def test_what_is_no_checkpoint_is_refused(content: bytes, tmp_path: Path) -> None:
    for suffix in ("pth", "npz", "safetensors"):
        path = tmp_path / f"x.{suffix}"
        path.write_bytes(content)
        with pytest.raises(UserError, match="cannot be read as weights"):
            read_foreign(path)
    with pytest.raises(UserError, match=r"no such file; did you mean 'x\.pth'"):
        read_foreign(tmp_path / "y.pth")


@pytest.mark.parametrize("content", [[1, 2], {}, {"epoch": 1}, {"state_dict": {"epoch": 1}}, None])
def test_a_file_without_a_state_is_refused(content: object) -> None:
    with pytest.raises(UserError, match="there is no state dict inside"):
        unwrap(content)
