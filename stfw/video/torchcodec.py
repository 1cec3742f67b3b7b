"""Decoding with torchcodec, on the CPU or a GPU, where it gives exactly the frames asked for."""

from __future__ import annotations

from typing import Any

import numpy as np

from stfw.types import UserError, VideoError
from stfw.video.container import say
from stfw.video.decode import decode as decode_exactly
from stfw.video.scan import VideoIndex


class TorchCodec:
    """Decodes files that are indexed by time with torchcodec, and all others with PyAV.

    Of files whose frames can only be counted (AVI, MPEG) torchcodec gives neighbours of the frames
    asked for; of turned videos it gives the turned picture itself.

    Args:
        device: ``cpu``, ``cuda`` or ``cuda:1``; a GPU needs ``data.start_method=spawn``, or no
            workers.

    Raises:
        UserError: torchcodec is not installed.
    """

    def __init__(self, device: str = "cpu") -> None:
        self.device = device
        try:
            import torchcodec.decoders  # noqa: F401  # heavy, and only this decoder needs it
        except (ImportError, OSError, RuntimeError) as error:
            raise UserError(
                'decoder=torchcodec: torchcodec cannot be loaded; pip install "stfw[torchcodec]" '
                f"and FFmpeg's libraries ({say(error)[:120]})"
            ) from error

    def __call__(
        self, index: VideoIndex, frames: np.ndarray, size: tuple[int, int] | None = None
    ) -> np.ndarray:
        """Frames by number: uint8 len(frames) H W 3; see ``stfw.video.decode.decode``."""
        if index.mode != "pts" or index.rotation or index.span is not None:
            return decode_exactly(index, frames, size)
        numbers = np.asarray(frames, np.int64).ravel()
        outside = numbers[(numbers < 0) | (numbers >= index.info.num_frames)]
        if len(outside):
            reason = f"frame {outside[0]} was asked for, there are 0 to {index.info.num_frames - 1}"
            raise VideoError(index.info.path, "short", reason)
        wanted_U, back = np.unique(numbers, return_inverse=True)
        try:
            x_UCHW = self._frames(index, wanted_U.tolist(), size)
        except (RuntimeError, IndexError, ValueError) as error:
            raise VideoError(index.info.path, "decode", say(error)[:200]) from error
        return x_UCHW[back]

    def _frames(self, index: VideoIndex, numbers: list[int], size: tuple[int, int] | None) -> Any:
        from torchcodec.decoders import VideoDecoder
        from torchvision.transforms.v2 import functional as tv

        decoder = VideoDecoder(
            index.info.path, dimension_order="NCHW", num_ffmpeg_threads=1, device=self.device
        )
        x_UCHW = decoder.get_frames_at(indices=numbers).data
        if size is not None:
            x_UCHW = tv.resize(x_UCHW, list(size), antialias=True)
        return x_UCHW.permute(0, 2, 3, 1).cpu().numpy()
