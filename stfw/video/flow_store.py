"""Optical flow on disk: one gray video per video, x above y; or folders of numbered pictures."""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any, Literal, get_args

import av
import numpy as np

from stfw.types import VIDEO_SUFFIXES, UserError, VideoError
from stfw.video.container import say
from stfw.video.decode import decode
from stfw.video.probe import probe

VERSION = 1
VIDEOS = "videos.json"  # in a store: video_id -> the video_id whose file it shares
Codec = Literal["ffv1", "mjpeg"]
CODECS: tuple[str, ...] = get_args(Codec)


class FlowStore:
    """A folder made by ``stfw data flow``: ``flow.json`` and a file per video.

    Frame ``t`` of a file is the flow from source frame t to t + 1; the last one repeats the flow
    that led to it. Labelled parts of one video share its file: ``videos.json`` names it.

    Args:
        root: the folder.

    Raises:
        UserError: no store there, or one that is damaged or of another version.
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
        self.shared = read_shared(self.root)

    @property
    def bound(self) -> float:
        """Pixels per frame at the ends of the 8-bit range."""
        return float(self.settings["bound"])

    def path(self, video_id: str) -> Path:
        """The file of a video, whether it is there or not."""
        return self.root / file_name(self.shared.get(video_id, video_id))

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
        codec: ``ffv1`` loses nothing; ``mjpeg`` is off by a fortieth of a pixel on the average and
            keeps noisy flow (Farneback) small. Flow of DIS is small either way.
    """

    def __init__(self, path: Path, rate: float, codec: str = "ffv1") -> None:
        if codec not in CODECS:
            raise UserError(f"flow codec {codec}: not known; there are: {', '.join(CODECS)}")
        self.codec = codec
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
            self.stream = self.container.add_stream(self.codec, rate=self.rate)
            self.stream.height, self.stream.width = stacked_HW.shape
            if self.codec == "ffv1":
                self.stream.pix_fmt = "gray"
                self.stream.codec_context.options = {"g": "1"}  # every frame can be sought
            else:
                self.stream.pix_fmt = "yuvj420p"  # there is no gray; of full range, like the flow
                self.stream.codec_context.qmin = self.stream.codec_context.qmax = 2  # the finest
        self.container.mux(self.stream.encode(_picture(stacked_HW, self.stream.pix_fmt)))

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


def _picture(stacked_HW: np.ndarray, pixel_format: str) -> Any:
    """A frame of this brightness, without colour."""
    if pixel_format == "gray":
        return av.VideoFrame.from_ndarray(np.ascontiguousarray(stacked_HW), format="gray")
    frame = av.VideoFrame(stacked_HW.shape[1], stacked_HW.shape[0], pixel_format)
    for number, plane in enumerate(frame.planes):
        rows = np.full((plane.height, plane.line_size), 128, np.uint8)
        if number == 0:
            rows[:, : plane.width] = stacked_HW
        plane.update(rows.tobytes())
    return frame


class FlowImages:
    """Flow as numbered pictures, as other tools extract it: a folder per video.

    The first number is frame 0. Such tools write a picture for every pair of frames: at the last
    frame, the flow that led to it is read.

    Args:
        root: the folder.
        pattern: of the files below it: ``{video}`` is the video_id without the suffix of a video,
            ``{axis}`` is x or y, ``%05d`` the number.
        first: the first number.

    Raises:
        UserError: no such folder, or a pattern without one of its three parts.
    """

    def __init__(
        self, root: str, pattern: str = "{video}/flow_{axis}_%05d.jpg", first: int = 1
    ) -> None:
        self.root, self.pattern, self.first = Path(os.path.expanduser(root)), pattern, first
        if not self.root.is_dir():
            raise UserError(f"{root}: there is no such folder of flow pictures")
        parts = {name: pattern.count(name) for name in ("{video}", "{axis}")}
        numbers = re.findall(r"%0\d+d", pattern)
        if min(parts.values()) < 1 or len(numbers) != 1 or pattern.count("%") != 1:
            raise UserError(
                f"flow pictures '{pattern}': name {{video}}, {{axis}} and the number (%05d), as in "
                "'{video}/flow_{axis}_%05d.jpg'"
            )

    def read(self, video_id: str, frames_U: np.ndarray) -> np.ndarray | None:
        """Flow at source frames: uint8 U H W 2; None: there is no first picture of this video.

        Raises:
            VideoError: a picture is missing or damaged.
        """
        if not self._file(video_id, "x", self.first).is_file():
            return None
        return np.stack([self._flow(video_id, number) for number in (frames_U + self.first)])

    def _flow(self, video_id: str, number: int) -> np.ndarray:
        from PIL import Image  # only folders of pictures need it

        if not self._file(video_id, "x", number).is_file():  # the last frame begins no pair
            number -= 1
        axes = []
        for axis in "xy":
            file = self._file(video_id, axis, number)
            try:
                with Image.open(file) as picture:
                    axes.append(np.asarray(picture.convert("L")))
            except (OSError, ValueError, SyntaxError) as error:  # what Pillow raises
                raise VideoError(str(file), "decode", f"no flow can be read ({error})") from error
        return np.stack(axes, axis=-1)

    def _file(self, video_id: str, axis: str, number: int) -> Path:
        stem, suffix = os.path.splitext(video_id)
        video = stem if suffix.lower() in VIDEO_SUFFIXES else video_id
        numbered = re.sub(r"%0\d+d", lambda part: part[0] % number, self.pattern)
        return self.root / numbered.replace("{axis}", axis).replace("{video}", video)


def read_shared(root: Path) -> dict[str, str]:
    """The content of ``videos.json``; empty where there is none.

    Raises:
        UserError: it is damaged.
    """
    try:
        return dict(json.loads((root / VIDEOS).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"{root / VIDEOS} is damaged; extract the flow again") from error


def file_name(video_id: str) -> str:
    """A readable name that no two videos share, for any file system."""
    digest = hashlib.sha256(video_id.encode()).hexdigest()[:12]
    stem = re.sub(r"[^A-Za-z0-9._-]+", "_", Path(video_id).stem)[:60]
    return f"{digest[:2]}/{stem}-{digest}.mkv"
