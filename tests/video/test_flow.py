"""Flow of known motions, and its 8-bit form."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from stfw.types import UserError
from stfw.video.flow import Flow, dequantise, quantise


def texture(shift_x: int, shift_y: int) -> np.ndarray:
    """A smooth random picture, its content moved by whole pixels."""
    generator = np.random.default_rng(0)
    rows, columns = np.mgrid[0:96, 0:128]
    picture = np.zeros((96, 128))
    for _ in range(12):
        x, y = generator.uniform(0.05, 0.4, 2)
        phase = generator.uniform(0, 6)
        picture += np.sin(x * (columns - shift_x) + y * (rows - shift_y) + phase)
    grey = (127 + 120 * picture / np.abs(picture).max()).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


@pytest.mark.parametrize("method", ["dis", "farneback", "tvl1"])
@pytest.mark.parametrize("shift", [(3, 0), (-2, 1), (0, -3)])
def test_flow_is_where_the_content_goes(method: str, shift: tuple[int, int]) -> None:
    cv2 = pytest.importorskip("cv2", reason="OpenCV is not installed")
    if method == "tvl1" and not hasattr(cv2, "optflow"):
        pytest.skip("this OpenCV has no contributed modules")
    flow_HW2 = Flow(method)(texture(0, 0), texture(*shift))
    assert flow_HW2.shape == (96, 128, 2)
    assert flow_HW2.dtype == np.float32
    middle = np.median(flow_HW2[20:-20, 20:-20], axis=(0, 1))
    assert np.abs(middle - shift).max() < 0.5


def test_it_travels_to_other_processes() -> None:
    pytest.importorskip("cv2", reason="OpenCV is not installed")
    flow = Flow("dis")
    flow(texture(0, 0), texture(1, 0))  # has made its engine
    again = pickle.loads(pickle.dumps(flow))
    assert np.array_equal(again(texture(0, 0), texture(2, 0)), flow(texture(0, 0), texture(2, 0)))


def test_mirrored_flow_is_mirrored_in_8_bits() -> None:
    flow = np.linspace(-25, 25, 20001, dtype=np.float32)
    flow = flow[flow != 0]
    assert (quantise(-flow) == 255 - quantise(flow)).all()
    assert quantise(np.array([0.0, 20.0, -20.0, 99.0, -99.0])).tolist() == [128, 255, 0, 255, 0]


def test_steps_are_even_and_come_back() -> None:
    flow = np.linspace(-19.9, 19.9, 5001, dtype=np.float32)
    error = np.abs(dequantise(quantise(flow)) - flow)
    assert error.max() <= 0.5 * 20 / 127.5 + 1e-5
    assert (np.diff(quantise(flow).astype(int)) >= 0).all()
    assert len(np.unique(quantise(flow))) == 254  # of 256: the ends are not reached


def test_mistakes_are_named() -> None:
    with pytest.raises(UserError, match="did you mean 'dis'"):
        Flow("diss")
    with pytest.raises(UserError, match="raft needs weights"):
        Flow("raft")


def test_raft_with_weights_of_ones_own(tmp_path) -> None:  # type: ignore[no-untyped-def]
    import torch
    from torchvision.models.optical_flow import raft_small

    torch.manual_seed(0)
    torch.save(raft_small(weights=None).state_dict(), tmp_path / "raft.pt")
    flow_HW2 = Flow("raft", str(tmp_path / "raft.pt"))(texture(0, 0), texture(1, 0))
    assert flow_HW2.shape == (96, 128, 2)
    (tmp_path / "bad.pt").write_text("no")
    with pytest.raises(UserError, match="not a raft_small state"):
        Flow("raft", str(tmp_path / "bad.pt"))(texture(0, 0), texture(1, 0))
