"""Optical flow on disk: one lossless gray video per video, x above y."""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any

import av
import numpy as np

from stfw.types import UserError, VideoError
from stfw.video.container import say
from stfw.video.decode import decode
from stfw.video.probe import probe

VERSION = 1


class FlowStore:
    """A folder made by ``stfw data flow``: ``flow.json`` and a file per video.

    Frame ``t`` of a file is the flow from source frame t to t + 1; the last one repeats the flow
    that led to it.

    Args:
        root: the folder.

    Raises:
        UserError: no store there, or one of another version.
    """

    def __init__(self, root: str) -> None:
        self.root = Path(os.path.abspath(os.path.expanduser(root)))
        try:
            self.settings: dict[str, Any] = json.loads((self.root / "flow.json").read_text())
        except (OSError, ValueError) as error:
            raise UserError(
                f"{root}: no flow store (flow.json cannot be read); make one with stfw data flow"
            ) from error
        if self.settings.get("version") != VERSION:
            raise UserError(
                f"{root}: flow.json has version {self.settings.get('version')}, this stfw reads "
                f"{VERSION}; extract it again"
            )

    @property
    def bound(self) -> float:
        """Pixels per frame at the ends of the 8-bit range."""
        return float(self.settings["bound"])

    def path(self, video_id: str) -> Path:
        """The file of a video, whether it is there or not."""
        return self.root / file_name(video_id)

    def read(self, video_id: str, frames_U: np.ndarray) -> np.ndarray | None:
        """Flow at source frames: uint8 U H W 2; None: the store has nothing for this video.

        Raises:
            VideoError: the file is damaged, or shorter than the video.
        """
        path = self.path(video_id)
        if not path.is_file():
            return None
        stacked_UHW = decode(probe(str(path)), frames_U)[..., 0]
        height = stacked_UHW.shape[1] // 2
        return np.stack([stacked_UHW[:, :height], stacked_UHW[:, height:]], axis=-1)


class FlowWriter:
    """Writes a video's flow frame by frame; the file appears when it is whole.

    Args:
        path: the file, ``.mkv``.
        rate: frames per second, for players.
    """

    def __init__(self, path: Path, rate: float) -> None:
        self.path, self.part = path, path.with_name(path.name + ".part")
        path.parent.mkdir(parents=True, exist_ok=True)
        # bitexact: the same flow makes the same file
        self.container = av.open(
            str(self.part), "w", format="matroska", options={"fflags": "bitexact"}
        )
        self.rate = max(1, round(rate))
        self.stream: Any = None

    def write(self, flow_HW2: np.ndarray) -> None:
        """Adds the flow of one frame: uint8."""
        stacked_HW = np.concatenate([flow_HW2[..., 0], flow_HW2[..., 1]])
        if self.stream is None:
            self.stream = self.container.add_stream("ffv1", rate=self.rate)
            self.stream.height, self.stream.width = stacked_HW.shape
            self.stream.pix_fmt = "gray"
            self.stream.codec_context.options = {"g": "1"}  # every frame can be sought
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(stacked_HW), format="gray")
        self.container.mux(self.stream.encode(frame))

    def close(self, keep: bool) -> None:
        """Gives the file its name, or removes what was written."""
        try:
            if keep and self.stream is not None:
                self.container.mux(self.stream.encode(None))
            self.container.close()
        except av.FFmpegError as error:
            self.part.unlink(missing_ok=True)
            raise VideoError(
                str(self.path), "decode", f"cannot be written ({say(error)})"
            ) from error
        if keep:
            os.replace(self.part, self.path)
        else:
            self.part.unlink(missing_ok=True)


def file_name(video_id: str) -> str:
    """A readable name that no two videos share, for any file system."""
    digest = hashlib.sha256(video_id.encode()).hexdigest()[:12]
    stem = re.sub(r"[^A-Za-z0-9._-]+", "_", Path(video_id).stem)[:60]
    return f"{digest[:2]}/{stem}-{digest}.mkv"
