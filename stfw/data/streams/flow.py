"""The optical-flow stream: from a store made ahead, or computed while training."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch

from stfw.data.footage import Footage, following
from stfw.transforms.clip import resize
from stfw.types import StreamKind, UserError, VideoError
from stfw.video.flow import Flow as Method
from stfw.video.flow import quantise
from stfw.video.flow_store import FlowImages, FlowStore


class Flow:
    """Optical flow from each source frame to the next, x and y, 2 channels.

    Clipped to ``bound`` pixels per frame and quantised to 8 bits, as the literature does (Simonyan
    and Zisserman 2014): 0 and 255 are the bounds, 127 and 128 no motion. Pixels are those of the
    resized frame when it is computed here, and those of the store otherwise.

    Args:
        method: ``dis``, ``farneback`` or ``tvl1`` where there is no store.
        store: folder made by ``stfw data flow``; None: computed on the fly.
        pictures: the store holds numbered pictures of another tool instead: the pattern of their
            names below it, ``{video}/flow_{axis}_%05d.jpg`` with 1 for the first frame.
        bound: pixels per frame that map to the ends of the range, where there is no store.
        missing: what a video that the store lacks gives: ``zeros`` (and the stream is marked as
            not present) or an ``error``.
    """

    kind: StreamKind = "flow"
    channels = 2

    def __init__(
        self,
        method: Literal["dis", "farneback", "tvl1"] = "dis",
        store: str | None = None,
        pictures: str | None = None,
        bound: float = 20.0,
        missing: Literal["zeros", "error"] = "error",
    ) -> None:
        if bound <= 0:
            raise UserError(f"flow: bound={bound} must be above 0 pixels")
        self.bound, self.missing = bound, missing
        if pictures and not store:
            raise UserError(f"flow: pictures={pictures} needs store=<the folder that they lie in>")
        self.store: FlowStore | FlowImages | None = None
        if store:
            self.store = FlowImages(store, pictures) if pictures else FlowStore(store)
        self.method = Method(method)

    def needs(self, frames_U: np.ndarray, num_frames: int) -> np.ndarray:
        """The frames that must be decoded to show ``frames_U``."""
        if self.store is not None:
            return frames_U[:0]
        return np.concatenate(following(frames_U, num_frames))

    def read(self, frames_U: np.ndarray, footage: Footage) -> np.ndarray | None:
        """uint8 U H W 2, or None where the store has nothing for this video."""
        if self.store is None:
            return self._compute(frames_U, footage)
        found_UHWC = self.store.read(footage.record.video_id, frames_U)
        if found_UHWC is None:
            if self.missing == "error":
                reason = f"{footage.record.video_id} is not in the flow store {self.store.root}"
                raise VideoError(footage.record.path, "missing", reason)
            return None
        height, width = footage.picture_size
        if found_UHWC.shape[1:3] == (height, width):
            return found_UHWC
        x_NCTHW = torch.from_numpy(found_UHWC).permute(3, 0, 1, 2).unsqueeze(0)
        return resize(x_NCTHW, height, width)[0].permute(1, 2, 3, 0).numpy()

    def _compute(self, frames_U: np.ndarray, footage: Footage) -> np.ndarray:
        first_U, second_U = following(frames_U, footage.index.info.num_frames)
        before, after = footage.pictures(first_U), footage.pictures(second_U)
        return np.stack(
            [
                quantise(self.method(one_HWC, other_HWC), self.bound)
                for one_HWC, other_HWC in zip(before, after, strict=True)
            ]
        )
