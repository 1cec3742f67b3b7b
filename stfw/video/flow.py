"""Optical flow between two frames, and its 8-bit form."""

from __future__ import annotations

import importlib
from typing import Any, Literal, get_args

import numpy as np

from stfw.types import UserError, nearest

Method = Literal["dis", "farneback", "tvl1", "raft"]
METHODS: tuple[str, ...] = get_args(Method)


class Flow:
    """Computes flow; made anew in every process that uses it.

    Args:
        method: ``dis`` (Kroeger et al. 2016), ``farneback`` (2003), ``tvl1`` (Zach et al. 2007) or
            ``raft`` (Teed and Deng 2020, small).
        weights: of RAFT: a file with torchvision's ``raft_small`` state, or ``download``.

    Raises:
        UserError: an unknown method, a library that is missing, or RAFT without weights.
    """

    def __init__(self, method: str = "dis", weights: str | None = None) -> None:
        if method not in METHODS:
            hint = nearest(method, METHODS) or f"; there are: {', '.join(METHODS)}"
            raise UserError(f"flow method {method}: not known{hint}")
        if method == "raft" and weights is None:
            raise UserError(
                "flow method raft needs weights: give the file of a raft_small state, or "
                "'download' to fetch torchvision's"
            )
        self.method, self.weights = method, weights
        self._engine: Any = None

    def __call__(self, first_HWC: np.ndarray, second_HWC: np.ndarray) -> np.ndarray:
        """Where each pixel of the first frame has gone.

        Args:
            first_HWC: uint8 RGB.
            second_HWC: uint8 RGB, of the same size.

        Returns:
            float32 H W 2: x (to the right) and y (down), in pixels.
        """
        if self._engine is None:
            self._engine = self._make()
        return self._engine(first_HWC, second_HWC)

    def __reduce__(self) -> tuple[type, tuple[str, str | None]]:  # OpenCV's objects do not travel
        return type(self), (self.method, self.weights)

    def _make(self) -> Any:
        if self.method == "raft":
            return _raft(str(self.weights))
        try:
            cv2: Any = importlib.import_module("cv2")
        except ImportError as error:
            raise UserError('optical flow needs OpenCV: pip install "stfw[flow]"') from error
        cv2.setNumThreads(1)  # worker processes are the parallelism
        if self.method == "dis":
            engine = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
        elif self.method == "farneback":
            engine = cv2.FarnebackOpticalFlow_create()
        else:
            if not hasattr(cv2, "optflow"):
                raise UserError(
                    "flow method tvl1 is in OpenCV's contributed modules: "
                    "pip uninstall opencv-python-headless, then "
                    "pip install opencv-contrib-python-headless"
                )
            engine = cv2.optflow.DualTVL1OpticalFlow_create()

        def compute(first_HWC: np.ndarray, second_HWC: np.ndarray) -> np.ndarray:
            first_HW = cv2.cvtColor(first_HWC, cv2.COLOR_RGB2GRAY)
            second_HW = cv2.cvtColor(second_HWC, cv2.COLOR_RGB2GRAY)
            return engine.calc(first_HW, second_HW, None)

        return compute


def _raft(weights: str) -> Any:
    import torch
    from torch.nn import functional
    from torchvision.models.optical_flow import Raft_Small_Weights, raft_small

    if weights == "download":
        try:
            network = raft_small(weights=Raft_Small_Weights.DEFAULT)
        except OSError as error:  # no network, no space
            raise UserError(
                f"the weights of raft cannot be downloaded ({error}); give the file of a "
                "raft_small state"
            ) from error
    else:
        network = raft_small(weights=None)
        try:
            network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
        except Exception as error:  # torch raises many kinds for a file that is no state
            reason = " ".join(str(error).split())[:200]
            raise UserError(f"{weights}: not a raft_small state: {reason}") from error
    network.eval()

    def compute(first_HWC: np.ndarray, second_HWC: np.ndarray) -> np.ndarray:
        height, width = first_HWC.shape[:2]
        x_2CHW = torch.from_numpy(np.stack([first_HWC, second_HWC])).permute(0, 3, 1, 2).float()
        x_2CHW = x_2CHW / 127.5 - 1
        # RAFT wants multiples of 8, and at least 128
        pad = [max(128, -(-side // 8) * 8) - side for side in (height, width)]
        x_2CHW = functional.pad(x_2CHW, (0, pad[1], 0, pad[0]), mode="replicate")
        with torch.inference_mode():
            flow_2HW = network(x_2CHW[:1], x_2CHW[1:])[-1][0]
        return flow_2HW[:, :height, :width].permute(1, 2, 0).contiguous().numpy()

    return compute


def quantise(flow_HW2: np.ndarray, bound: float = 20.0) -> np.ndarray:
    """Flow clipped to ``[-bound, bound]`` in 255 steps around no motion: uint8, the same shape.

    Above 0 begins at 128, below it at 127, so that ``quantise(-x) == 255 - quantise(x)`` for all
    but x = 0 itself, which is 128: mirrored flow is mirrored in its 8-bit form too.
    """
    steps = np.minimum(np.abs(flow_HW2) * (127.5 / bound), 127.0).astype(np.uint8)  # floors
    return np.where(flow_HW2 < 0, 127 - steps, 128 + steps).astype(np.uint8)


def dequantise(flow_HW2: np.ndarray, bound: float = 20.0) -> np.ndarray:
    """8-bit flow in pixels again: float32, off by at most half a step of ``bound / 127.5``."""
    return ((flow_HW2.astype(np.float32) - 127.5) * (bound / 127.5)).astype(np.float32)
